"""The same architectures with fresh weights: what a model scores that has learned nothing.

A subject stands beside the one of its own architecture and scale.
"""

from harness import Fresh, Recipe, Variant
from recipes.models import DISTILGPT2, LLAMA_3B, LLAMA_8B, SMOLLM2, TINYLLAMA
from recipes.staged_260207 import STAGED_260207

UNTRAINED = Recipe(
    name="untrained",
    variants=[
        Variant("tiny", base=Fresh(STAGED_260207["tiny"]), scale="tiny"),
        Variant("mini", base=Fresh(SMOLLM2), scale="mini"),
        Variant("mini_staged", base=Fresh(STAGED_260207["mini"]), scale="mini"),
        Variant("small", base=Fresh(SMOLLM2), scale="small"),
        Variant("small_staged", base=Fresh(STAGED_260207["small"]), scale="small"),
        Variant("full", base=Fresh(STAGED_260207["full"]), scale="full"),
        Variant("3b", base=Fresh(LLAMA_3B), scale="full"),
        Variant("8b", base=Fresh(LLAMA_8B), scale="full"),
        Variant("1.1b", base=Fresh(TINYLLAMA), scale="full"),
        Variant("distilgpt2", base=Fresh(DISTILGPT2), scale="full"),
    ],
)
