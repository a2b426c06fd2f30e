"""Copies of one checkpoint beside it: an adapter merged into its base, in bfloat16, int8 and NF4."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.models.answering.engine import Engine
from harness.models.loading.load import INT8, Quantized, load_model
from harness.recipe import Quantization
from harness.suite import Answer
from harness.worker.places import Adapted, Directory, Place

COPIES: dict[str, Quantized] = {"bfloat16": None, "int8": INT8, "nf4": Quantization(compute="bfloat16")}


def compare_copies(
    engine: Engine, names: Sequence[str], prompts: Sequence[list[int]], forms: Sequence[str], max_new_tokens: int
) -> list[Answer]:
    """Per prompt and form: how the copy in that form predicts the checkpoint's own greedy completion.

    `agreement` is the share of tokens that would be the copy's choice as well, `divergence` the mean
    Kullback-Leibler divergence of the copy's next-token distribution from the checkpoint's, in nats.
    """
    wanted = {tuple(ids): name for name, ids in zip(names, prompts, strict=True)}
    completions = {
        ids: tuple(found.ids)
        for ids, found in zip(
            wanted, engine.complete(list(wanted.values()), [list(ids) for ids in wanted], max_new_tokens), strict=True
        )
    }
    reference = {ids: next_token_logprobs(engine, ids, completions[ids]) for ids in wanted}
    found: dict[tuple[str, tuple[int, ...]], Answer] = {}
    at, device, tokenizer = engine.at, engine.device, engine.tokenizer
    engine.release()  # the copies take its place in memory
    with tempfile.TemporaryDirectory() as folder:
        place = merged(at, device, Path(folder), tokenizer)
        for form in dict.fromkeys(forms):
            copy = Engine(place, device, "bfloat16", COPIES[form])
            for ids, own in reference.items():
                theirs = next_token_logprobs(copy, ids, completions[ids])
                divergence = (own.exp() * (own - theirs)).sum(-1)
                found[form, ids] = {
                    "agreement": float((own.argmax(-1) == theirs.argmax(-1)).float().mean()),
                    "divergence": max(0.0, float(divergence.mean())),
                    "forms": list(dict.fromkeys(forms)),
                    "completion": tokenizer.decode(completions[ids], skip_special_tokens=True).strip(),
                }
            del copy
    return [found[form, tuple(ids)] for form, ids in zip(forms, prompts, strict=True)]


@torch.inference_mode()
def next_token_logprobs(engine: Engine, prompt: Sequence[int], completion: Sequence[int]) -> torch.Tensor:
    """Log-probabilities of the next token at each place of the completion and after it: float32 (T + 1, V), on the CPU."""
    ids = torch.tensor([[*prompt, *completion]], device=engine.device)
    logits = engine.model(ids, use_cache=False, logits_to_keep=len(completion) + 1).logits[0]
    engine.tokens += ids.numel()
    return logits.float().log_softmax(-1).cpu()


def merged(at: Place, device: str, folder: Path, tokenizer: Any) -> Place:
    """The place of the checkpoint's whole weights: its own, or `folder` with the adapter merged into its base.

    Merging is done in the base's own precision, never in 4 bits.
    """
    if not isinstance(at, Adapted):
        return at
    model = load_model(at, device=device, dtype="float32" if device == "cpu" else "bfloat16").merge_and_unload()
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return Directory(str(folder))
