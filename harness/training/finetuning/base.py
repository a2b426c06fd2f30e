"""The model that is fine-tuned: the base, quantized and with a new adapter if the settings say so."""

from __future__ import annotations

from typing import Any

from harness.errors import DataError, DeviceError, RecipeError
from harness.models.loading.load import load_model
from harness.recipe import FinetuneSettings, Quantization
from harness.training.shared.arguments import training_dtype
from harness.worker.messages import TrainingTask


def load_base(task: TrainingTask, settings: FinetuneSettings) -> Any:
    """The model to train. Its base is loaded in bfloat16 if an adapter is trained in bfloat16, else in float32.

    Raises RecipeError if the base is an adapter already, DeviceError if 4-bit weights do not work on the device, and
    DataError if peft cannot adapt the base.
    """
    assert task.base is not None
    if settings.quantization:
        check_quantization(task.name, settings.quantization, task.device)
    dtype = "bfloat16" if settings.adapter and training_dtype(task) == "bfloat16" else "float32"
    model = load_model(task.base, device=task.device, dtype=dtype, quantization=settings.quantization)
    if hasattr(model, "peft_config"):
        raise RecipeError(f"{task.name}: its base is an adapter already.", "Start from the adapter's own base.")
    if settings.adapter is None:
        return model
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if settings.quantization:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=settings.adapter.rank,
        lora_alpha=settings.adapter.alpha or 2 * settings.adapter.rank,
        lora_dropout=settings.adapter.dropout,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise DataError(f"{task.name}: the base takes no adapter: {error}") from error


def check_quantization(who: str, quantization: Quantization, device: str) -> None:
    """Raise DeviceError if bitsandbytes cannot compute with 4-bit weights on this device: tries a small layer."""
    import torch

    try:
        from bitsandbytes.nn import Linear4bit

        layer = Linear4bit(
            64, 64, bias=False, quant_type="nf4", compress_statistics=quantization.double,
            compute_dtype=getattr(torch, quantization.compute),
        ).to(device)  # fmt: skip
        works = bool(torch.isfinite(layer(torch.ones(1, 64, device=device, dtype=layer.compute_dtype))).all())
        problem = "its result is not finite"
    except (ImportError, RuntimeError, NotImplementedError, AttributeError) as error:
        works, problem = False, f"{type(error).__name__}: {error}".split("\n")[0]
    if not works:
        raise DeviceError(
            f"{who}: bitsandbytes cannot compute with 4-bit weights on {device} ({problem}).",
            "Install a bitsandbytes that supports this device: pip install 'bitsandbytes>=0.50'.",
        )
