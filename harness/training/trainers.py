"""The trainers, each transformers' or TRL's own, made to stop at the first number that is not finite.

Beside them the arguments, with nothing left to a library's default that touches the weights.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments
from trl import SFTTrainer

from harness.errors import TrainingDiverged
from harness.training.callbacks import HeldOutLoss, Progress, StopOnSignal
from harness.training.resume import MarkComplete


class StopsAtNonFinite:
    """Trainer mix-in: raises TrainingDiverged before a poisoned step is taken, naming step and rows."""

    rows_seen: str = ""

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        ids = inputs["input_ids"]
        starts = self.processing_class.batch_decode(ids[:3, :16])  # type: ignore[attr-defined]
        self.rows_seen = "; ".join(repr(start[:60]) for start in starts)
        self.tokens_seen = getattr(self, "tokens_seen", 0) + int((ids != self.processing_class.pad_token_id).sum())  # type: ignore[attr-defined]
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
        """The error for a value met in the step now under way."""
        step = self.state.global_step + 1  # type: ignore[attr-defined]
        return TrainingDiverged(
            f"the {what} is {value} at step {step} of {self.state.max_steps}, in a batch that starts with {self.rows_seen}.",  # type: ignore[attr-defined]
            "Lower learning_rate, raise warmup_steps, or look at these rows. Nothing was published.",
        )

    def watch(self, folder: Path, spec: dict[str, Any], held_out: list[dict[str, Any]]) -> None:
        """Add what every training here has: progress, held-out loss, resume marks, orderly stopping."""
        for callback in (
            Progress(folder, self),
            HeldOutLoss(folder, self, held_out, spec["eval_steps"]),
            MarkComplete(),
            StopOnSignal(),
        ):
            self.add_callback(callback)  # type: ignore[attr-defined]


class FiniteTrainer(StopsAtNonFinite, Trainer):
    """transformers' Trainer that stops at the first number that is not finite."""


class FiniteSFTTrainer(StopsAtNonFinite, SFTTrainer):
    """TRL's SFTTrainer that stops at the first number that is not finite."""


def training_dtype(spec: dict[str, Any]) -> str:
    """bfloat16 or float32: what `precision` means on this device."""
    precision = str(spec["settings"]["precision"])
    if precision != "auto":
        return precision
    return "bfloat16" if spec["device"].startswith("cuda") else "float32"


def steps_per_epoch(rows: int, spec: dict[str, Any]) -> int:
    """Optimizer steps of one epoch; a last, smaller batch counts."""
    return math.ceil(rows / spec["settings"]["effective_batch_size"])


def arguments(folder: Path, spec: dict[str, Any], rows: int, kind: type = TrainingArguments, **more: Any) -> Any:
    """TrainingArguments (or a child) from the spec; `more` are the child's own fields."""
    settings, cpu = spec["settings"], spec["device"] == "cpu"
    steps = math.ceil(steps_per_epoch(rows, spec) * settings["epochs"])
    scheduler = {"cosine": "cosine_with_min_lr", "linear": "linear", "constant": "constant_with_warmup"}
    return kind(
        output_dir=str(folder / "trainer"),
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=spec["micro_batch_size"],
        gradient_accumulation_steps=settings["effective_batch_size"] // spec["micro_batch_size"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type=scheduler[settings["schedule"]],
        lr_scheduler_kwargs={"min_lr": settings["min_learning_rate"]} if settings["schedule"] == "cosine" else {},
        warmup_steps=settings["warmup_steps"],
        optim="adamw_torch",
        weight_decay=settings["weight_decay"],
        adam_beta1=settings["betas"][0],
        adam_beta2=settings["betas"][1],
        adam_epsilon=settings["epsilon"],
        max_grad_norm=settings["max_grad_norm"],
        label_smoothing_factor=0.0,
        neftune_noise_alpha=None,
        bf16=training_dtype(spec) == "bfloat16",
        fp16=False,
        use_cpu=cpu,
        gradient_checkpointing=spec["gradient_checkpointing"],
        use_cache=False,
        seed=spec["seed"],
        data_seed=spec["seed"],
        train_sampling_strategy="random",
        dataloader_drop_last=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not cpu,
        remove_unused_columns=True,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=spec["save_steps"] or max(20, math.ceil(steps / 5)),
        save_total_limit=2,
        report_to=[spec["track"]] if spec["track"] else [],
        run_name=spec["name"],
        disable_tqdm=True,
        **more,
    )
