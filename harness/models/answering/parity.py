"""How copies of a checkpoint answer beside it: adapters merged into the base, in bfloat16, int8 and NF4."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.models.answering.engine import Engine
from harness.models.loading.load import INT8, Quantized, load_model
from harness.models.tools.progress import part_of
from harness.recipe import Quantization
from harness.suite import Answer
from harness.worker.places import Adapted, Directory, Place

COPIES: dict[str, Quantized] = {"bfloat16": None, "int8": INT8, "nf4": Quantization(compute="bfloat16")}


def compare_copies(
    engine: Engine, names: Sequence[str], prompts: Sequence[list[int]], forms: Sequence[str], max_new_tokens: int
) -> list[Answer]:
    """Per prompt and form, how well a copy in that form predicts the checkpoint's own greedy completion.

    At each of the T + 1 places of a completion of T tokens (the last is after its end), the checkpoint gives a
    next-token distribution p and the copy q. Each answer has:

    - `agreement`: share of the places at which p and q have the same likeliest token, in [0, 1].
    - `divergence`: mean over the places of KL(p || q) = sum of p * (log p - log q), in nats; at least 0.
    - `forms`: all forms that were compared.
    - `completion`: the checkpoint's own.
    """
    wanted = {tuple(ids): name for name, ids in zip(names, prompts, strict=True)}  # each prompt once, for all forms
    watched, copies = engine.watched, list(dict.fromkeys(forms))
    engine.watch(part_of(watched, 0, 1 + len(copies)))
    completions = {
        ids: tuple(completion.ids)
        for ids, completion in zip(
            wanted, engine.complete(list(wanted.values()), [list(ids) for ids in wanted], max_new_tokens), strict=True
        )
    }
    reference = {ids: next_token_logprobs(engine, ids, completions[ids]) for ids in wanted}
    answers: dict[tuple[str, tuple[int, ...]], Answer] = {}
    at, device, tokenizer = engine.at, engine.device, engine.tokenizer
    engine.release()  # the copies need its memory
    with tempfile.TemporaryDirectory() as folder:
        place = merged(at, device, Path(folder), tokenizer)
        for number, form in enumerate(copies, 1):
            copy = Engine(place, device, "bfloat16", COPIES[form])
            watch = part_of(watched, number, 1 + len(copies))
            for done, (ids, log_p) in enumerate(reference.items(), 1):  # (T + 1, V)
                log_q = next_token_logprobs(copy, ids, completions[ids])  # (T + 1, V)
                divergence = (log_p.exp() * (log_p - log_q)).sum(-1)  # (T + 1,)
                answers[form, ids] = {
                    "agreement": float((log_p.argmax(-1) == log_q.argmax(-1)).float().mean()),
                    "divergence": max(0.0, float(divergence.mean())),  # rounding can make it negative
                    "forms": copies,
                    "completion": tokenizer.decode(completions[ids], skip_special_tokens=True).strip(),
                }
                watch(done / len(reference), len(ids) + len(completions[ids]))
            del copy
    return [answers[form, tuple(ids)] for form, ids in zip(forms, prompts, strict=True)]


@torch.inference_mode()
def next_token_logprobs(engine: Engine, prompt: Sequence[int], completion: Sequence[int]) -> torch.Tensor:
    """Next-token log-probabilities at each place of the completion and after its end: float32 (T + 1, V) on the CPU."""
    ids = torch.tensor([[*prompt, *completion]], device=engine.device)
    logits = engine.model(ids, use_cache=False, logits_to_keep=len(completion) + 1).logits[0]
    engine.tokens += ids.numel()
    return logits.float().log_softmax(-1).cpu()


def merged(at: Place, device: str, folder: Path, tokenizer: Any) -> Place:
    """The place of the checkpoint's whole weights: its own, or for an adapter `folder`, into which it is merged.

    Merging is done in float32 on a CPU and in bfloat16 on a GPU, never in 4 bits.
    """
    if not isinstance(at, Adapted):
        return at
    model = load_model(at, device=device, dtype="float32" if device == "cpu" else "bfloat16").merge_and_unload()
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return Directory(str(folder))
