"""The model worker: `python -m harness.models` holds one model on one device and answers request after request.

loading/     a place -> model and tokenizer      } all that can change an answer: hashed into the keys
prefixes/    shared beginnings, computed once    } of evaluations, folder by folder; the first two also
answering/   asks -> answers                     } into those of checkpoints
embedding/   a worker of its own: which passages are nearest to each question
tools/       what cannot change one: chat, export, token counts, memory, energy, progress

Only worker processes import this folder's modules; they may import torch.
"""

from __future__ import annotations

from typing import Any

__all__ = ["HarnessLM"]


def __getattr__(name: str) -> Any:
    """`harness.models.HarnessLM`, the engine as a model of lm-evaluation-harness, imported on first use."""
    if name == "HarnessLM":
        from harness.models.answering.lm import HarnessLM

        return HarnessLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
