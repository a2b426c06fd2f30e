"""The loss on held-out rows: before the first step, during training, and at the end.

Nothing here changes a weight. It is in `shared/` all the same, whose code is hashed into fingerprints: a suite scores
what is recorded here, so after a change of this code, checkpoints with old records must not be used.
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
from harness.training.shared.ranks import rank

LOSSES = "held_out_losses.json"


class HeldOutLoss(TrainerCallback):
    """Logs the mean loss per target token on held-out rows, in nats.

    The first and the last are kept row by row in `held_out_losses.json`, so that an interval of their difference can
    be computed. No random number is drawn, so training goes on as if nothing had been measured.
    """

    def __init__(self, folder: Path, trainer: Any, rows: Sequence[Json], eval_steps: int | None) -> None:
        self.path, self.trainer, self.rows = folder / LOSSES, trainer, list(rows)
        self.eval_steps = eval_steps  # optimizer steps between two measurements; None: a quarter of all steps

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
        should_log = self.trainer.control.should_log  # log() clears it; without it the step itself is not logged
        self.trainer.log({"eval_loss": sum(loss for loss, _ in losses) / tokens})
        self.trainer.control.should_log = should_log
        if when is None or rank():
            return
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        kept[when] = {row["id"]: loss / count for row, (loss, count) in zip(self.rows, losses, strict=True)}
        write_whole(self.path, json.dumps(kept))


@torch.no_grad()
def row_losses(model: Any, rows: Sequence[Json], pack: Any, batch_size: int) -> list[tuple[float, int]]:
    """Per row (sum, number): the negative log-likelihood of its target tokens in nats, and how many they are."""
    training = model.training
    model.eval()
    losses_of_rows: list[tuple[float, int]] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        packed = {name: column.to(model.device) for name, column in pack(batch).items()}
        losses, owners = target_losses(model, model.get_output_embeddings(), packed)  # (S,): a loss, and its row
        sums = losses.new_zeros(len(batch)).index_add_(0, owners, losses)
        counts = torch.bincount(owners, minlength=len(batch))
        losses_of_rows += list(zip(sums.tolist(), counts.tolist(), strict=True))
    model.train(training)
    return losses_of_rows
