"""What all trainers add to a library's: a loss on target tokens alone, and a stop at the first NaN or inf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from harness.errors import TrainingDiverged
from harness.files import Json
from harness.training.shared.held_out import HeldOutLoss
from harness.training.shared.packing import NO_ROW, target_losses
from harness.training.shared.ranks import Batches, Loader
from harness.training.watching.progress import Progress
from harness.training.watching.resume import MarkComplete
from harness.training.watching.stop import StopOnSignal
from harness.worker.messages import TrainingTask


class StopsAtNonFinite:
    """Trainer mix-in: raises TrainingDiverged, with step and rows, before a NaN or inf can reach the weights."""

    tokens_of_step: int = 0  # by this process, since the last optimizer step
    rows_seen: str = ""  # the starts of the first rows in the current batch, for the message

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        ids = inputs["input_ids"]
        starts = self.processing_class.batch_decode(ids[:3, :16])  # type: ignore[attr-defined]
        self.rows_seen = "; ".join(repr(start[:60]) for start in starts)
        self.tokens_of_step += int((inputs["rows"] != NO_ROW).sum())
        loss = super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]
        if not torch.isfinite(loss):
            raise self.diverged("loss", float(loss))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[misc]
        if norm is not None and not math.isfinite(float(norm)):
            raise self.diverged("gradient norm", float(norm))
        return norm

    def diverged(self, what: str, value: float) -> TrainingDiverged:
        """The error for a value in the current step."""
        step = self.state.global_step + 1  # type: ignore[attr-defined]
        return TrainingDiverged(
            f"the {what} is {value} at step {step} of {self.state.max_steps}, in a batch that starts with {self.rows_seen}.",  # type: ignore[attr-defined]
            "Lower learning_rate, raise warmup_steps, or look at these rows. Nothing was published.",
        )

    def watch(self, folder: Path, task: TrainingTask, held_out: Sequence[Json]) -> None:
        """Add the callbacks of every training: progress, held-out loss, marks to resume from, a stop on request."""
        assert task.settings is not None
        self.rows_of_step = task.settings.effective_batch_size
        self.model_accepts_loss_kwargs = True  # pass num_items_in_batch: target tokens of the whole optimizer step
        for callback in (
            Progress(folder, self),
            HeldOutLoss(folder, self, held_out, task.eval_steps),
            MarkComplete(),
            StopOnSignal(),
        ):
            self.add_callback(callback)  # type: ignore[attr-defined]


class LearnsFromTargets:
    """Trainer mix-in: the same rows in each optimizer step, however many processes there are; the loss is the mean over
    the step's target tokens, and no other logits are computed.
    """

    rows_of_step: int

    def get_train_dataloader(self) -> Loader:
        """Micro-batches of shuffled rows, this process's share of them."""
        args = self.args  # type: ignore[attr-defined]
        rows, size = self.train_dataset, args.per_device_train_batch_size  # type: ignore[attr-defined]
        batches = Batches(len(rows), size, self.rows_of_step, args.data_seed)
        return Loader(rows, batches, self.data_collator, args.dataloader_pin_memory)  # type: ignore[attr-defined]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        assert num_items_in_batch is not None
        head = self.accelerator.unwrap_model(model).get_output_embeddings()  # type: ignore[attr-defined]
        losses, _ = target_losses(model, head, inputs)
        return losses.sum() / num_items_in_batch * self.accelerator.num_processes  # type: ignore[attr-defined]


class FiniteTrainer(StopsAtNonFinite, LearnsFromTargets, Trainer):
    """transformers' Trainer on packed rows; stops at the first NaN or inf."""
