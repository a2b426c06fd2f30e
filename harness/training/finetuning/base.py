"""The model that is fine-tuned: the base, quantized and with a new adapter if the settings say so."""

from __future__ import annotations

from typing import Any

from harness.errors import DataError, DeviceError, RecipeError
from harness.models.loading.load import load_model
from harness.recipe import FinetuneSettings, Lora, Quantization
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
    if settings.quantization:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return adapted(task.name, model, settings.adapter)


def adapted(who: str, model: Any, adapter: Lora) -> Any:
    """The model with a new adapter, all of whose trained weights are float32.

    Raises RecipeError where the adapter names a module that the model has not, or one that it shares with another, and
    DataError if peft cannot adapt the model.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    _check_modules(who, model, adapter)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha or 2 * adapter.rank,
        lora_dropout=adapter.dropout,
        target_modules="all-linear" if adapter.target_modules is None else list(adapter.target_modules),
        use_rslora=adapter.use_rslora,
        use_dora=adapter.use_dora,
        modules_to_save=list(adapter.modules_to_save) or None,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        model = get_peft_model(model, config)
    except ValueError as error:
        raise DataError(f"{who}: the base takes no adapter: {error}") from error
    for weight in model.parameters():
        if weight.requires_grad:  # peft leaves modules trained whole in the base's dtype
            weight.data = weight.data.to(torch.float32)
    return model


def _check_modules(who: str, model: Any, adapter: Lora) -> None:
    """RecipeError for a name that is no module's, which peft would pass over, or whose weights another module shares."""
    there = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    for field in ("target_modules", "modules_to_save"):
        unknown = [name for name in getattr(adapter, field) or () if name not in there]
        if unknown:
            linear = sorted({name.rsplit(".", 1)[-1] for name, one in model.named_modules() if _is_linear(one)})
            raise RecipeError(
                f"{who}: Lora {field} names {unknown[0]!r}, which is no module of the base.",
                f"Its linear layers: {', '.join(linear)}; its embedding: {_embedding(model)}.",
            )
    ends = {_embedding(model), "lm_head"}
    named = {*adapter.modules_to_save, *(adapter.target_modules or ())}
    tied = sorted(ends & named)
    if tied and getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        raise RecipeError(
            f"{who}: Lora names {tied[0]!r}, and the base's head and embedding are one.",
            "Trained apart, they would change together when the adapter is merged, or be made one again. Leave it out.",
        )


def _is_linear(module: Any) -> bool:
    return type(module).__name__ in ("Linear", "Conv1D", "Linear4bit")


def _embedding(model: Any) -> str:
    """The last part of the embedding's name."""
    embedding = model.get_input_embeddings()
    return next(name.rsplit(".", 1)[-1] for name, module in model.named_modules() if module is embedding)


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
