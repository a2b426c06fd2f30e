"""The export worker: `python -m harness.models.tools.export DIR` writes `DIR/made` as `DIR/request.json` asks.

Before it reports success, it loads the written model with plain transformers, and computes a token with it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from harness.errors import DeviceError, StoreError
from harness.models.answering.engine import Engine
from harness.models.loading.load import INT8, Quantized, load_model
from harness.models.loading.template import on_the_frozen_day
from harness.recipe import Quantization
from harness.worker.child import work_in
from harness.worker.messages import REQUEST, ExportRequest, receive
from harness.worker.places import Directory


def main(folder: Path) -> int:
    """Write `folder/made`. Exit status 0; 1 with the reason in folder/error.json."""
    return work_in(folder, lambda: export(folder, receive(folder / REQUEST)))


def export(folder: Path, request: ExportRequest) -> int:
    """Write the model, then load it as its users will."""
    from transformers.utils import logging

    torch.set_num_threads(request.threads)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    write_standalone(request, folder)
    try_out(request, folder / "made")
    return 0


def write_standalone(request: ExportRequest, folder: Path) -> None:
    """Write the checkpoint's whole weights to `folder/made`, in the dtype asked for, or quantized from it.

    An adapter is merged in float32, and the sum rounded once. To merge it into 4-bit weights would round every weight
    a second time, to other values than the adapter was trained on.
    """
    dtype, quantization = request.dtype, quantized_as(request)
    engine = Engine(request.model, request.device, "float32")
    tokenizer, stops = engine.tokenizer, engine.stop_ids
    model = engine.model.merge_and_unload() if hasattr(engine.model, "peft_config") else engine.model
    del engine
    model = model.to(getattr(torch, dtype))
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise StoreError(
                f"{name} has values that are not finite in {dtype}.", "Choose --dtype bfloat16 or float32."
            )
    complete(model, tokenizer, stops)
    if quantization is None:
        save(model, tokenizer, folder / "made")
        return
    save(model, tokenizer, folder / "whole")
    del model
    quantized = load_model(
        Directory(str(folder / "whole")), device=request.device, dtype=dtype, quantization=quantization
    )
    check_sizes(quantized, request.device)
    save(quantized, tokenizer, folder / "made")  # before its first forward pass, which on a CPU repacks 4-bit weights


def quantized_as(request: ExportRequest) -> Quantized:
    """How the copy is quantized. Unlike in a recipe, 4-bit weights may compute in float16 here."""
    if request.quantize == "4bit":
        return Quantization(compute=request.dtype)  # type: ignore[arg-type]
    return INT8 if request.quantize == "8bit" else None


def complete(model: Any, tokenizer: Any, stops: list[int]) -> None:
    """Set what users get by default: answers that end where measured ones end, the cache on, a pad token."""
    model.config.use_cache = True
    model.generation_config.eos_token_id = stops
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config._from_model_config = False  # otherwise it is derived from config.json again on loading


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights as safetensors, the configurations, and the tokenizer with its chat template.

    A template that puts today's date into the prompt gets the day that the checkpoint was trained and measured on.
    """
    own = tokenizer.chat_template
    if isinstance(own, str):
        tokenizer.chat_template = on_the_frozen_day(own)
    elif own is not None:  # several, by name
        tokenizer.chat_template = {name: on_the_frozen_day(template) for name, template in own.items()}
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def check_sizes(model: Any, device: str) -> None:
    """Raise DeviceError for a layer whose size bitsandbytes cannot compute in 4 bits on a CPU.

    Its kernel for processors with AVX512-BF16 takes blocks of 64 inputs by 32 outputs (bitsandbytes 0.50,
    functional.py, _convert_weight_packed_for_cpu). Without this check the model would load there and fail at the first
    token.
    """
    from bitsandbytes.nn import Linear4bit

    for name, layer in model.named_modules():
        if device == "cpu" and isinstance(layer, Linear4bit) and (layer.in_features % 64 or layer.out_features % 32):
            raise DeviceError(
                f"{name} has {layer.in_features} inputs and {layer.out_features} outputs; on a CPU bitsandbytes "
                "computes in 4 bits only with multiples of 64 and 32.",
                "Use --quantize 8bit, or export with --gpu for use on a GPU.",
            )


@torch.inference_mode()
def try_out(request: ExportRequest, made: Path) -> None:
    """Load the folder as its users will, and compute one token. Raises DeviceError or StoreError if that fails."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    model = AutoModelForCausalLM.from_pretrained(made)
    if request.quantize is None:
        model = torch.nn.Module.to(model, request.device)
    ids = torch.tensor([tokenizer("A")["input_ids"]], device=model.device)
    try:
        finite = bool(torch.isfinite(model(ids).logits).all())
    except (RuntimeError, NotImplementedError) as error:
        where = f"{request.quantize or request.dtype} on {request.device}"
        problem = f"the exported model does not compute in {where}: {str(error).splitlines()[0]}"
        raise DeviceError(problem, "Export it in another form or on another device.") from error
    if not finite:
        raise StoreError("the exported model's logits are not finite.", "Choose --dtype bfloat16 or float32.")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
