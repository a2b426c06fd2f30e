"""A task's settings -> the Trainer's arguments. All that can change weights is set here, not left to defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from harness.files import Json
from harness.models.tools.memory import free_memory_bytes
from harness.recipe import Architecture, FinetuneSettings, TrainingSettings
from harness.training.shared.ranks import local_batches
from harness.worker.messages import TrainingTask
from harness.worker.sizes import training_memory

OPTIMIZERS = {"adamw": "adamw_torch", "adamw_fused": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit"}
RECOMPUTES = "recomputes.txt"  # in the task's folder once memory ran out: what was said of it
MAY_FILL = 0.9  # of the free memory; the rest is for what no count sees
SCHEDULES = {"cosine": "cosine_with_min_lr", "linear": "linear", "constant": "constant_with_warmup"}


def arguments(
    folder: Path, task: TrainingTask, model: Any, rows: Sequence[list[int]], kind: type = TrainingArguments, **more: Any
) -> Any:
    """TrainingArguments, or the subclass `kind` with its own fields `more`, from the task and the rows' token ids."""
    settings = task.settings
    assert settings is not None
    steps = math.ceil(math.ceil(len(rows) / settings.effective_batch_size) * settings.epochs)  # optimizer steps
    return kind(
        output_dir=str(folder / "trainer"),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=micro_batch_size(task),
        gradient_accumulation_steps=local_batches(settings.effective_batch_size, micro_batch_size(task)),
        bf16=training_dtype(task) == "bfloat16",
        fp16=False,
        use_cpu=task.device == "cpu",
        ddp_find_unused_parameters=False if task.processes > 1 else None,
        gradient_checkpointing=(folder / RECOMPUTES).exists() or must_recompute(model, rows, task),
        use_cache=False,
        seed=task.seed,
        data_seed=task.seed,
        train_sampling_strategy="random",
        save_steps=task.save_steps or max(20, math.ceil(steps / 5)),
        report_to=[task.track] if task.track else [],
        run_name=task.name,
        **_optimizer(settings),
        **_housekeeping(task),
        **more,
    )


def micro_batch_size(task: TrainingTask) -> int:
    """Rows of a forward pass: as the variant says, but no more than a process's share of an optimizer step."""
    assert task.settings is not None
    return min(task.micro_batch_size, math.ceil(task.settings.effective_batch_size / task.processes))


def _optimizer(settings: TrainingSettings) -> Json:
    """How gradients change weights."""
    return {
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "lr_scheduler_kwargs": {"min_lr": settings.min_learning_rate} if settings.schedule == "cosine" else {},
        "warmup_steps": settings.warmup_steps,
        "optim": OPTIMIZERS[settings.optimizer],
        "weight_decay": settings.weight_decay,
        "adam_beta1": settings.betas[0],
        "adam_beta2": settings.betas[1],
        "adam_epsilon": settings.epsilon,
        "max_grad_norm": settings.max_grad_norm,
        "label_smoothing_factor": 0.0,
        "neftune_noise_alpha": None,
    }


def _housekeeping(task: TrainingTask) -> Json:
    """Loading, logging and saving."""
    return {
        "dataloader_drop_last": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": task.device != "cpu",
        "remove_unused_columns": False,  # the loss needs the columns that the collator makes
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "steps",
        "save_total_limit": 2,
        "disable_tqdm": True,
    }


def training_dtype(task: TrainingTask) -> str:
    """bfloat16 or float32: the dtype that `precision` means on this device."""
    assert task.settings is not None
    if task.settings.precision != "auto":
        return task.settings.precision
    return (
        "bfloat16"
        if task.device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
        else "float32"
    )


def must_recompute(model: Any, rows: Sequence[list[int]], task: TrainingTask) -> bool:
    """Whether activations are recomputed in the backward pass, because those of a micro-batch do not fit on the GPU.

    For models that are not Llama-shaped the count is an approximation.
    """
    if not task.device.startswith("cuda"):
        return False
    settings = task.settings
    assert settings is not None
    tokens = sum(sorted(map(len, rows), reverse=True)[: micro_batch_size(task)])  # of the longest rows together
    counted = training_memory(
        shape_of(model.config.get_text_config()),
        tokens,
        adapter=settings.adapter if isinstance(settings, FinetuneSettings) else None,
        nf4=isinstance(settings, FinetuneSettings) and settings.quantization is not None,
        narrow=training_dtype(task) == "bfloat16",
        optimizer=settings.optimizer,
    )
    return counted.beside_weights > MAY_FILL * free_memory_bytes(task.device)


def shape_of(config: Any) -> Architecture:
    """The sizes that a loaded model's configuration tells."""
    return Architecture(
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_value_heads=getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
        intermediate_size=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        vocabulary_size=config.vocab_size,
        context_length=config.max_position_embeddings,
        head_size=getattr(config, "head_dim", None),
    )
