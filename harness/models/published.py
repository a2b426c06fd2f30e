"""Published sizes of the bases that recipes name, to count weights without a download.

From each model's config.json on the hub.
"""

from __future__ import annotations

from typing import Any

from harness.recipe import Architecture

PUBLISHED = {
    "meta-llama/Llama-3.2-3B-Instruct": Architecture(
        hidden_size=3072, layers=28, heads=24, key_value_heads=8, intermediate_size=8192,
        vocabulary_size=128_256, context_length=131_072, tied_embeddings=True,
    ),
    "meta-llama/Llama-3.1-8B-Instruct": Architecture(
        hidden_size=4096, layers=32, heads=32, key_value_heads=8, intermediate_size=14_336,
        vocabulary_size=128_256, context_length=131_072, tied_embeddings=False,
    ),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": Architecture(
        hidden_size=2048, layers=22, heads=32, key_value_heads=4, intermediate_size=5632,
        vocabulary_size=32_000, context_length=2048, tied_embeddings=False,
    ),
}  # fmt: skip


def parameters(architecture: Architecture, adapter_rank: int | None) -> tuple[int, int]:
    """(trainable, the model's own) weights, from the model built on the meta device: no memory, no download.

    With an adapter of that rank on all linear layers but the head, only its r x (in + out) weights a layer train.
    """
    import torch

    from harness.fingerprint import plain
    from harness.training.pretrain import fresh_model

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
