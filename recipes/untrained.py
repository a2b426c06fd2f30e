"""The same architectures with fresh weights: what a model scores that has learned nothing."""

from harness import Fresh, Recipe, Variant
from recipes.staged_260207 import STAGED_260207

UNTRAINED = Recipe(
    name="untrained",
    variants=[
        Variant("mini", base=Fresh(STAGED_260207["mini"]), scale="mini"),
        Variant("small", base=Fresh(STAGED_260207["small"]), scale="small"),
        Variant("full", base=Fresh(STAGED_260207["full"]), scale="full"),
        Variant("3b", base=Fresh("meta-llama/Llama-3.2-3B-Instruct"), scale="full"),
        Variant("8b", base=Fresh("meta-llama/Llama-3.1-8B-Instruct"), scale="full"),
        Variant("1.1b", base=Fresh("TinyLlama/TinyLlama-1.1B-Chat-v1.0"), scale="full"),
        Variant("distilgpt2", base=Fresh("distilbert/distilgpt2"), scale="full"),
    ],
)
