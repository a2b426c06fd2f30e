"""How copies of a checkpoint answer beside it: adapters merged into the base, in bfloat16, int8 and NF4."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.models.answering.engine import Engine
from harness.models.loading.load import INT8, Quantized, load_model
from harness.models.prefixes.trie import Request, Trie
from harness.models.tools.progress import part_of, unwatched
from harness.recipe import Quantization
from harness.suite import Answer
from harness.worker.places import Adapted, Directory, Place

ROW_TOKENS = 1024  # of prompts and completions that are computed together
COPIES: dict[str, Quantized] = {"bfloat16": None, "int8": INT8, "nf4": Quantization(compute="bfloat16")}


def compare_copies(
    engine: Engine,
    names: Sequence[str],
    prompts: Sequence[list[int]],
    forms: Sequence[str],
    max_new_tokens: int,
    folder: Path,
) -> list[Answer]:
    """Per prompt and form, how well a copy in that form predicts the checkpoint's own greedy completion.

    An adapter's merged weights are written below `folder` meanwhile: as much as the whole model.

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
    greedy = engine.complete(list(wanted.values()), [list(ids) for ids in wanted], max_new_tokens)
    completions = {ids: tuple(completion.ids) for ids, completion in zip(wanted, greedy, strict=True)}
    paths = list(completions.items())
    engine.watch(unwatched)  # what follows is short
    reference = next_token_logprobs(engine, paths)  # (T + 1, V) of each
    answers: dict[tuple[str, tuple[int, ...]], Answer] = {}
    at, device, tokenizer = engine.at, engine.device, engine.tokenizer
    engine.release()  # the copies need its memory
    with tempfile.TemporaryDirectory(dir=folder) as merging:
        place = merged(at, device, Path(merging), tokenizer)
        for number, form in enumerate(copies, 1):
            copy = Engine(place, device, "bfloat16", COPIES[form])
            copy.watch(part_of(watched, number, 1 + len(copies)))
            # The columns that LLM.int8 computes in float16 depend on all tokens of a pass: each prompt has its own.
            found = next_token_logprobs(copy, paths, together=form != "int8")
            for (ids, _), log_p, log_q in zip(paths, reference, found, strict=True):
                text = tokenizer.decode(completions[ids], skip_special_tokens=True).strip()
                answers[form, ids] = {**_agreement(log_p, log_q), "forms": copies, "completion": text}
            del copy
    return [answers[form, tuple(ids)] for form, ids in zip(forms, prompts, strict=True)]


def _agreement(log_p: torch.Tensor, log_q: torch.Tensor) -> Answer:
    """How far a copy's next-token distributions (T + 1, V) agree with the checkpoint's, as log-probabilities."""
    divergence = (log_p.exp() * (log_p - log_q)).sum(-1)  # (T + 1,)
    return {
        "agreement": float((log_p.argmax(-1) == log_q.argmax(-1)).float().mean()),
        "divergence": max(0.0, float(divergence.mean())),  # rounding can make it negative
    }


@torch.inference_mode()
def next_token_logprobs(
    engine: Engine, paths: Sequence[tuple[Sequence[int], Sequence[int]]], together: bool = True
) -> list[torch.Tensor]:
    """Per (prompt, completion) the next-token log-probabilities at each place of the completion and after its end.

    Each is float32 (T + 1, V) on the CPU. Together, prompts that begin alike are computed as a trie where the model
    can; else one after the other.
    """
    found: list[torch.Tensor] = [torch.empty(0)] * len(paths)
    engine.tokens += sum(len(prompt) + len(completion) for prompt, completion in paths)
    tree = engine.scorer.tree if together else None
    if tree is None:
        for number, (prompt, completion) in enumerate(paths):
            ids = torch.tensor([[*prompt, *completion]], device=engine.device)
            logits = engine.model(ids, use_cache=False, logits_to_keep=len(completion) + 1).logits[0]
            found[number] = logits.float().log_softmax(-1).cpu()
            engine.watched((number + 1) / len(paths), ids.numel())
        return found
    anything = 0  # the token after a completion, which is predicted and not computed
    trie = Trie([Request("", list(prompt), [*completion, anything]) for prompt, completion in paths])
    done = 0
    with tree.linears:
        for row in trie.rows(ROW_TOKENS, budget=2**31):
            places = torch.tensor([place for own in row.scored.values() for place in own], device=engine.device)
            states = tree.states([row], places)
            logprobs = torch.cat([logits.log_softmax(-1).cpu() for _, logits in tree.logits(states)])
            for number, own in zip(row.scored, logprobs.split([len(own) for own in row.scored.values()]), strict=True):
                found[number] = own
            done += len(row.scored)
            engine.watched(done / len(paths), len(row.tokens))
    return found


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
