"""A model as it is measured on its device: on a CPU with its adapter merged, and narrow dtypes computed in float32.

On a CPU an adapter's small matrices cost almost as much time as the base's large ones. Merged into those in float32, they
change a log-likelihood by no more than rounding does.

Processors without instructions for float16 and bfloat16 compute them many times slower than float32, and each its own
way. A GPU adds up in float32 and stores results in the narrow format. So on a CPU the weights, and what passes between
modules, are rounded to that format; a number that it cannot hold becomes inf in the same places.
"""

from __future__ import annotations

from typing import Any

import torch

from harness.models.loading.load import Quantized, load_model
from harness.worker.places import Adapted, Place

NARROW = ("float16", "bfloat16")


def merges(device: str) -> bool:
    """Whether adapters are merged into their base on that device, so that the base cannot be another adapter's next."""
    return device == "cpu"


def load_to_measure(at: Place, *, device: str, dtype: str, quantization: Quantized = None) -> Any:
    """The model at that place, as it is measured on the device; quantized ones are left to bitsandbytes."""
    if quantization is not None or not merges(device):
        return load_model(at, device=device, dtype=dtype, quantization=quantization)
    narrow = dtype in NARROW
    model = load_model(at, device=device, dtype="float32" if narrow else dtype)
    model = model.merge_and_unload() if isinstance(at, Adapted) else model
    return round_to(model, getattr(torch, dtype)) if narrow else model


def round_to(model: Any, dtype: torch.dtype) -> Any:
    """The float32 model with its weights rounded to the dtype, as are from now on all inputs and outputs of modules."""
    for weight in model.parameters():
        weight.data = weight.data.to(dtype).float()

    def narrow(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            return value.to(dtype).float()
        if type(value) is tuple:
            return tuple(narrow(part) for part in value)
        return value

    for module in model.modules():
        module.register_forward_pre_hook(lambda _, given: narrow(given))
        module.register_forward_hook(lambda _, given, found: narrow(found))
    model.rounds_to = dtype
    return model


def computed_in(model: Any) -> torch.dtype:
    """The dtype that decides how far the model's numbers are rounded."""
    return getattr(model, "rounds_to", model.dtype)
