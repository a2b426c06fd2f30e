"""A model's place -> the model and its tokenizer, in the dtype asked for.

A place is plain data: {"path": DIR}, {"model": ID, "revision": SHA}, or {"adapter": DIR, "base": place}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import StoreError


def load_tokenizer(at: dict[str, Any]) -> Any:
    """The tokenizer saved with the weights; an adapter's own comes before its base's."""
    from transformers import AutoTokenizer

    name, revision = _name(at if "adapter" not in at else {"path": at["adapter"]})
    with _told(name):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(at: dict[str, Any], *, device: str, dtype: str, quantization: dict[str, Any] | None = None) -> Any:
    """The causal language model in evaluation mode on `device`; safetensors only, no remote code."""
    import torch
    from transformers import AutoModelForCausalLM

    if "adapter" in at:
        base = load_model(at["base"], device=device, dtype=dtype, quantization=quantization)
        return add_adapter(base, at, device, dtype if quantization is None else None)
    name, revision = _name(at)
    options: dict[str, Any] = {}
    if quantization is not None:
        options["quantization_config"] = bitsandbytes_config(quantization)
        options["device_map"] = {"": device}
    with _told(name):
        model = AutoModelForCausalLM.from_pretrained(  # type: ignore[assignment]
            name,
            revision=revision,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            **options,
        )
    if quantization is None:
        return torch.nn.Module.to(model, device).eval()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # Else the first look in eval mode repacks the weights in place, which fails for layers whose inputs are
            # no multiple of 64, and trains on repacked weights.
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return model.eval()


def add_adapter(base: Any, at: dict[str, Any], device: str, dtype: str | None) -> Any:
    """The adapter at that place over its loaded base, in evaluation mode; in `dtype` unless it is None."""
    import torch
    from peft import PeftModel

    with _told(at["adapter"]):
        model = PeftModel.from_pretrained(base, at["adapter"], torch_device=device)
    if dtype is not None:
        torch.nn.Module.to(model, getattr(torch, dtype))
    return model.eval()


def bitsandbytes_config(quantization: dict[str, Any]) -> Any:
    """NF4 (Dettmers et al. 2023, arXiv:2305.14314), or LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339)."""
    import torch
    from transformers import BitsAndBytesConfig

    if quantization["bits"] == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=quantization["double"],
        bnb_4bit_compute_dtype=getattr(torch, quantization["compute"]),
    )


def _name(at: dict[str, Any]) -> tuple[str, str | None]:
    return (at["path"], None) if "path" in at else (at["model"], at["revision"])


class _told:
    """Turns a library's failure to load into one StoreError that names the model."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from safetensors import SafetensorError

        if isinstance(error, OSError | ValueError | SafetensorError | KeyError | RuntimeError):
            where = "directory" if Path(self.name).exists() else "model"
            first = str(error).strip().split("\n")[0][:300]
            raise StoreError(
                f"{where} {self.name} cannot be loaded: {first}",
                "Check that it holds config.json, tokenizer files and whole safetensors weights.",
            ) from error
