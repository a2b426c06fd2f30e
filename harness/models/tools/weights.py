"""How many weights a model has and trains, built on the meta device: no memory, no download."""

from __future__ import annotations

from typing import Any

import torch

from harness.fingerprint.values import plain
from harness.recipe import Architecture
from harness.training.pretraining.pretrain import fresh_model


def parameters(architecture: Architecture, adapter_rank: int | None) -> tuple[int, int]:
    """(trainable, the model's own) weights, by building the model on the meta device.

    With an adapter of that rank on all linear layers but the head, only its r x (in + out) weights a layer train.
    """

    class Ids:  # a stand-in for the tokenizer: the sizes do not depend on it
        bos_token_id = eos_token_id = pad_token_id = 0

    with torch.device("meta"):
        model = fresh_model(plain(architecture), Ids)
    total = sum(weight.numel() for weight in model.parameters())
    if adapter_rank is None:
        return total, total
    linear: list[Any] = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and name != "lm_head"]
    adapter = sum(adapter_rank * (layer.in_features + layer.out_features) for layer in linear)
    return adapter, total
