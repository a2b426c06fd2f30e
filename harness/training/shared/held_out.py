"""The loss on held-out rows: before step 1, on the way, and at the end.

Nothing here changes a weight. It stands with the code that does because a suite scores what it records, so that a
change of it must not find old checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import TrainerCallback

from harness.files import Json, write_whole
from harness.training.shared.packing import target_losses

LOSSES = "held_out_losses.json"


class HeldOutLoss(TrainerCallback):
    """Mean loss per target token on held-out rows.

    The first and the last are kept row by row in `held_out_losses.json`, so that their difference has an
    interval. No random number is drawn: training goes on as if nothing had been measured.
    """

    def __init__(self, folder: Path, trainer: Any, rows: Sequence[Json], eval_steps: int | None) -> None:
        self.path, self.trainer, self.rows = folder / LOSSES, trainer, list(rows)
        self.eval_steps = eval_steps  # between looks; None: a quarter of the training

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.rows and state.global_step == 0:
            self._measure("before")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        every = self.eval_steps or max(1, state.max_steps // 4)
        if not self.rows:
            return
        if state.global_step == state.max_steps:
            self._measure("after")
        elif state.global_step % every == 0:
            self._measure(None)

    def _measure(self, when: Literal["before", "after"] | None) -> None:
        batch_size = self.trainer.args.per_device_train_batch_size
        losses = row_losses(self.trainer.model, self.rows, self.trainer.data_collator, batch_size)
        tokens = sum(count for _, count in losses)
        should_log = self.trainer.control.should_log  # logging clears it, and the step's own line would be lost
        self.trainer.log({"eval_loss": sum(loss for loss, _ in losses) / tokens})
        self.trainer.control.should_log = should_log
        if when is None:
            return
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        kept[when] = {row["id"]: loss / count for row, (loss, count) in zip(self.rows, losses, strict=True)}
        write_whole(self.path, json.dumps(kept))


@torch.no_grad()
def row_losses(model: Any, rows: Sequence[Json], pack: Any, batch_size: int) -> list[tuple[float, int]]:
    """Per row the summed negative log-likelihood of its target tokens, in nats, and their number."""
    training = model.training
    model.eval()
    found: list[tuple[float, int]] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        packed = {name: column.to(model.device) for name, column in pack(batch).items()}
        losses, whose = target_losses(model, model.get_output_embeddings(), packed)
        sums = losses.new_zeros(len(batch)).index_add_(0, whose, losses)
        found += list(zip(sums.tolist(), torch.bincount(whose, minlength=len(batch)).tolist(), strict=True))
    model.train(training)
    return found
