"""Is a model fit to be served in one dtype? Finite weights and logits, and sampling that works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.models.answering.engine import Engine
from harness.models.answering.generation import NotFinite
from harness.models.tools.progress import part_of
from harness.suite import Answer

NOTHING: Answer = {"sampled": False, "problem": "", "completion": "", "completion_tokens": 0, "ended": False}


@torch.inference_mode()
def probe(engine: Engine, names: list[str], prompts: list[list[int]], max_new_tokens: int) -> list[Answer]:
    """Per prompt what happens when it is sampled from at temperature 1.

    - `finite_weights`: whether all weights are finite; the same for every prompt.
    - `finite_logits`: whether all logits on the prompt are.
    - `sampled`: whether sampling was possible and met no NaN or inf; else `problem` may say what it met.
    - `largest_activation`: the largest magnitude that any layer put out on the prompt; float16 overflows above 65,504.
    - `completion`, `completion_tokens`, `ended`: as from Engine.generate; empty if nothing could be sampled.
    """
    weights = all(bool(torch.isfinite(p).all()) for p in engine.model.parameters())
    answers: list[Answer] = []
    for ids in prompts:
        with largest_output(engine.model) as seen:
            logits = engine.model(torch.tensor([ids], device=engine.device), use_cache=False).logits
        finite = bool(torch.isfinite(logits).all())
        largest = min(max(seen), torch.finfo(torch.float32).max)
        answers.append({"finite_weights": weights, "finite_logits": finite, "largest_activation": largest})
    sound = [number for number, answer in enumerate(answers) if answer["finite_logits"]]
    found = dict(zip(sound, sampled(engine, [(names[n], prompts[n]) for n in sound], max_new_tokens), strict=True))
    return [{**answer, **found.get(number, NOTHING)} for number, answer in enumerate(answers)]


def sampled(engine: Engine, asked: list[tuple[str, list[int]]], max_new_tokens: int) -> list[Answer]:
    """Per (name, prompt) its completion at temperature 1, whether it was `sampled`, and the `problem` it met.

    All together; where one of them meets NaN or inf, one after the other, to see which do.
    """
    names, prompts = [name for name, _ in asked], [ids for _, ids in asked]
    try:
        answers = engine.generate(names, prompts, max_new_tokens, temperature=1.0, seed=0)
    except NotFinite as error:
        if len(asked) == 1:
            return [{**NOTHING, "problem": error.problem}]
        watched, one_by_one = engine.watched, []
        for number, one in enumerate(asked):
            engine.watch(part_of(watched, number, len(asked)))
            one_by_one += sampled(engine, [one], max_new_tokens)
        engine.watch(watched)
        return one_by_one
    kept = ("completion", "completion_tokens", "ended")  # not why it ended: max_new_tokens is there to cut it
    return [{"sampled": True, "problem": "", **{name: answer[name] for name in kept}} for answer in answers]


@contextmanager
def largest_output(model: Any) -> Iterator[list[float]]:
    """In this context the largest magnitude that each layer puts out is collected; inf for NaN and inf."""
    seen: list[float] = []

    def look(module: Any, inputs: Any, output: Any) -> None:
        for tensor in output if isinstance(output, tuple) else (output,):
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.numel():
                seen.append(float(tensor.abs().max().float().nan_to_num(torch.inf, torch.inf)))

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
