"""A stage that is ready to train: the trainer, and what the published checkpoint needs beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.data.sources import Row


@dataclass(frozen=True)
class Prepared:
    """A stage that is ready to train. What takes no training step has a model instead of a trainer."""

    trainer: Any  # a transformers Trainer, or None
    tokenizer: Any
    model: Any = None  # without a trainer; else the trainer has it
    rows: Sequence[Row] = field(default=())
    training_rows: int = 0  # rows, or blocks of packed text, in one epoch
    truncated_rows: int = 0  # rows that were cut to the maximum length
    last_answer_rows: int = 0  # conversations of which only the last answer is trained on
    control_token_rows: int = 0  # conversations whose words hold a control token, such as <|im_end|>
    endless_rows: int = 0  # conversations in which no token that ends an answer is trained on
