"""Is a model fit to be served: finite weights and logits, sampling that works, in one dtype."""

from __future__ import annotations

from typing import Any

import torch

from harness.models.engine import Engine


@torch.inference_mode()
def probe(engine: Engine, names: list[str], prompts: list[list[int]], max_new_tokens: int) -> list[dict[str, Any]]:
    """Per prompt: `finite_logits`, `sampled` (no inf or nan probability met at temperature 1) and the completion;
    `finite_weights` is the model's, the same on every row."""
    weights = all(bool(torch.isfinite(p).all()) for p in engine.model.parameters())
    answers = []
    for name, ids in zip(names, prompts, strict=True):
        logits = engine.model(torch.tensor([ids], device=engine.device), use_cache=False).logits
        finite = bool(torch.isfinite(logits).all())
        answer: dict[str, Any] = {"completion": "", "completion_tokens": 0, "ended": False}
        problem = ""
        if finite:
            try:
                answer = engine.generate([name], [ids], max_new_tokens, temperature=1.0, seed=0)[0]
            except RuntimeError as error:  # torch.multinomial: probability tensor contains inf, nan or < 0
                problem = str(error).split("\n")[0]
        answers.append(
            {
                "finite_weights": weights,
                "finite_logits": finite,
                "sampled": finite and not problem,
                "problem": problem,
                **answer,
            }
        )
    return answers
