"""What every trainer here has beside a library's own: loss on target tokens, a stop at the first number that is none.

Beside them the arguments, with nothing left to a library's default that touches the weights.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from harness.errors import TrainingDiverged
from harness.training.watching.callbacks import HeldOutLoss, Progress, StopOnSignal
from harness.training.shared.packing import NO_ROW, target_losses
from harness.training.watching.resume import MarkComplete

OPTIMIZERS = {"adamw": "adamw_torch", "adamw_fused": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit"}


class StopsAtNonFinite:
    """Trainer mix-in: raises TrainingDiverged before a poisoned step is taken, naming step and rows."""

    rows_seen: str = ""

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        ids = inputs["input_ids"]
        starts = self.processing_class.batch_decode(ids[:3, :16])  # type: ignore[attr-defined]
        self.rows_seen = "; ".join(repr(start[:60]) for start in starts)
        self.tokens_seen = getattr(self, "tokens_seen", 0) + int((inputs["rows"] != NO_ROW).sum())
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
        self.model_accepts_loss_kwargs = True  # count the target tokens of a whole optimizer step
        for callback in (
            Progress(folder, self),
            HeldOutLoss(folder, self, held_out, spec["eval_steps"]),
            MarkComplete(),
            StopOnSignal(),
        ):
            self.add_callback(callback)  # type: ignore[attr-defined]


class LearnsFromTargets:
    """Trainer mix-in: the loss is the mean over the target tokens of an optimizer step, and nothing else is computed."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        assert num_items_in_batch is not None
        head = self.accelerator.unwrap_model(model).get_output_embeddings()  # type: ignore[attr-defined]
        losses, _ = target_losses(model, head, inputs)
        return losses.sum() / num_items_in_batch * self.accelerator.num_processes  # type: ignore[attr-defined]


class FiniteTrainer(StopsAtNonFinite, LearnsFromTargets, Trainer):
    """transformers' Trainer on packed rows, stopping at the first number that is not finite."""


def training_dtype(spec: dict[str, Any]) -> str:
    """bfloat16 or float32: what `precision` means on this device."""
    precision = str(spec["settings"]["precision"])
    if precision != "auto":
        return precision
    return "bfloat16" if spec["device"].startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"


def must_recompute(model: Any, rows: list[list[int]], spec: dict[str, Any]) -> bool:
    """Whether activations have to be recomputed in the backward pass, since a micro-batch's would not fit on the GPU.

    About 34 bytes per token, layer and width in bfloat16 without attention matrices (Korthikanti et al. 2022,
    arXiv:2205.05198, section 4.1), beside 12 bytes of gradient and Adam's moments per trained weight.
    """
    if not spec["device"].startswith("cuda"):
        return False
    config = model.config.get_text_config()
    tokens = sum(sorted(map(len, rows), reverse=True)[: spec["micro_batch_size"]])
    wide = 1 if training_dtype(spec) == "bfloat16" else 2
    activations = 34 * wide * tokens * config.num_hidden_layers * config.hidden_size
    logits = 8 * tokens * config.vocab_size
    trained = 12 * sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    free, _ = torch.cuda.mem_get_info(spec["device"])
    return bool(activations + logits + trained > 0.8 * free)


def steps_per_epoch(rows: int, spec: dict[str, Any]) -> int:
    """Optimizer steps of one epoch; a last, smaller batch counts."""
    return math.ceil(rows / spec["settings"]["effective_batch_size"])


def arguments(
    folder: Path,
    spec: dict[str, Any],
    model: Any,
    rows: list[list[int]],
    kind: type = TrainingArguments,
    **more: Any,
) -> Any:
    """TrainingArguments (or a child) from the spec and the rows' token ids; `more` are the child's own fields."""
    settings, cpu = spec["settings"], spec["device"] == "cpu"
    steps = math.ceil(steps_per_epoch(len(rows), spec) * settings["epochs"])
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
        optim=OPTIMIZERS[settings["optimizer"]],
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
        gradient_checkpointing=must_recompute(model, rows, spec),
        use_cache=False,
        seed=spec["seed"],
        data_seed=spec["seed"],
        train_sampling_strategy="random",
        dataloader_drop_last=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not cpu,
        remove_unused_columns=False,  # the collator's columns are the loss's own
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
