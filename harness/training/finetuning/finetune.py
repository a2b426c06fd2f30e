"""Fine-tuning: TRL's SFTTrainer on the assistant's tokens, over all weights or through a LoRA adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from harness.errors import DataError, DeviceError, RecipeError
from harness.models.loading.load import load_model, load_tokenizer
from harness.training.shared.packing import Packing
from harness.training.shared.tokens import conversation_tokens, read_rows, use_training_template
from harness.training.shared.trainers import LearnsFromTargets, StopsAtNonFinite, arguments, training_dtype


class FiniteSFTTrainer(StopsAtNonFinite, LearnsFromTargets, SFTTrainer):
    """TRL's SFTTrainer on packed rows, stopping at the first number that is not finite."""


def prepare(folder: Path, spec: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The SFTTrainer, and what was counted on the way."""
    settings = spec["settings"]
    tokenizer = load_tokenizer(spec["base_at"])
    use_training_template(tokenizer, settings["template"], spec["name"])
    rows = read_rows(folder / "rows.jsonl")
    encoded, cut = conversation_tokens(rows, tokenizer, settings["max_length"])
    held_out = []
    if (folder / "held_out.jsonl").exists():
        kept = read_rows(folder / "held_out.jsonl")
        held_out = [
            {"id": row["id"], **one}
            for row, one in zip(kept, conversation_tokens(kept, tokenizer, settings["max_length"])[0], strict=True)
        ]
    model = load_base(spec)
    config = arguments(
        folder,
        spec,
        model,
        [row["input_ids"] for row in encoded],
        SFTConfig,
        # Every default of TRL that touches the result, written out: the rows below are tokenized already.
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        truncation_mode="keep_start",
        packing=False,
        padding_free=False,
        assistant_only_loss=False,  # the labels say it
        completion_only_loss=None,
        loss_type="nll",
        activation_offloading=False,
    )
    trainer = FiniteSFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(encoded),
        data_collator=Packing(model, tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    trainer.watch(folder, spec, held_out)
    return trainer, {"rows": rows, "training_rows": len(encoded), "truncated_rows": cut, "tokenizer": tokenizer}


def check_quantization(who: str, quantization: dict[str, Any], device: str) -> None:
    """Raise DeviceError where bitsandbytes cannot compute with 4-bit weights on this device."""
    import torch

    try:
        from bitsandbytes.nn import Linear4bit

        layer = Linear4bit(
            64, 64, bias=False, quant_type="nf4", compress_statistics=quantization["double"],
            compute_dtype=getattr(torch, quantization["compute"]),
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


def load_base(spec: dict[str, Any]) -> Any:
    """The base model, quantized and adapted as the settings say."""
    settings, device = spec["settings"], spec["device"]
    adapter, quantization = settings["adapter"], settings["quantization"]
    if quantization:
        check_quantization(spec["name"], quantization, device)
    dtype = "bfloat16" if adapter and training_dtype(spec) == "bfloat16" else "float32"
    model = load_model(spec["base_at"], device=device, dtype=dtype, quantization=quantization)
    if adapter is None:
        return model
    if hasattr(model, "peft_config"):
        raise RecipeError(f"{spec['name']}: its base is an adapter already.", "Start from the adapter's own base.")
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if quantization:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=adapter["rank"],
        lora_alpha=adapter["alpha"],
        lora_dropout=adapter["dropout"],
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise DataError(f"{spec['name']}: the base takes no adapter: {error}") from error
