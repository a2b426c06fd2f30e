"""A model's place -> the model in a dtype, and its tokenizer; from safetensors only, and without remote code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from harness.errors import StoreError
from harness.models.loading.kernels import choose_kernels
from harness.recipe import Quantization
from harness.worker.failures import says_out_of_memory
from harness.worker.places import Adapted, HubModel, Place, name_of

INT8: Literal["int8"] = "int8"  # LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339)
Quantized = Quantization | Literal["int8"] | None  # NF4 as a recipe declares it, INT8, or not at all


def load_tokenizer(at: Place) -> Any:
    """The tokenizer saved with the weights; for an adapter, the one saved with it, its base's where it has none."""
    from transformers import AutoTokenizer

    if isinstance(at, Adapted):
        own = Path(name_of(at.adapter), "tokenizer_config.json").exists()
        return load_tokenizer(at.adapter if own else at.base)
    place = at
    with _failures_explained(name_of(place)):
        tokenizer = AutoTokenizer.from_pretrained(name_of(place), revision=_revision(place), trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(at: Place, *, device: str, dtype: str, quantization: Quantized = None) -> Any:
    """The causal language model, with its adapter if it has one, in evaluation mode on `device`."""
    import torch
    from transformers import AutoModelForCausalLM

    if isinstance(at, Adapted):
        base = load_model(at.base, device=device, dtype=dtype, quantization=quantization)
        return add_adapter(base, at, device, dtype if quantization is None else None)
    choose_kernels(device)
    options: dict[str, Any] = {}
    if quantization is not None:
        options = {"quantization_config": _bitsandbytes_config(quantization), "device_map": {"": device}}
    with _failures_explained(name_of(at)):
        model = AutoModelForCausalLM.from_pretrained(  # type: ignore[assignment]
            name_of(at),
            revision=_revision(at),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            **options,
        )
    if quantization is None:
        return torch.nn.Module.to(model, device).eval()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # Otherwise bitsandbytes repacks the weights in place in the first forward pass in evaluation mode. That
            # fails for layers whose number of inputs is not a multiple of 64, and training would use repacked weights.
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return model.eval()


def add_adapter(base: Any, at: Adapted, device: str, dtype: str | None) -> Any:
    """The loaded base with the adapter at that place, in evaluation mode; its weights in `dtype`, unless that is None.

    Buffers keep their dtype: rotary frequencies are float32 in every model, and the base needs them afterwards.
    """
    import torch
    from peft import PeftModel

    with _failures_explained(name_of(at.adapter)):
        model = PeftModel.from_pretrained(base, name_of(at.adapter), torch_device=device)
    if dtype is not None:
        for weight in model.parameters():
            weight.data = weight.data.to(getattr(torch, dtype))
    return model.eval()


def _bitsandbytes_config(quantization: Quantization | Literal["int8"]) -> Any:
    """NF4 (Dettmers et al. 2023, arXiv:2305.14314), or LLM.int8."""
    import torch
    from transformers import BitsAndBytesConfig

    if not isinstance(quantization, Quantization):
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=getattr(torch, quantization.compute),
    )


def _revision(at: Place) -> str | None:
    return at.revision if isinstance(at, HubModel) else None


@contextmanager
def _failures_explained(name: str) -> Iterator[None]:
    """In this context a library's failure to load becomes a StoreError that names the model.

    Too little memory says nothing about the model, and is raised as it is.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, SafetensorError, KeyError, RuntimeError) as error:
        if says_out_of_memory(error):
            raise
        where = "directory" if Path(name).exists() else "model"
        first = str(error).strip().split("\n")[0][:300]
        raise StoreError(
            f"{where} {name} cannot be loaded: {first}",
            "Check that it holds config.json, tokenizer files and whole safetensors weights.",
        ) from error
