"""The base models as they are, each variant's own: what every other recipe is compared with."""

from harness import Recipe, Variant
from recipes.staged_260207 import STAGED_260207

BASE = Recipe(
    name="base",
    variants=[
        Variant("mini", base=STAGED_260207["mini"], scale="mini"),
        Variant("small", base=STAGED_260207["small"], scale="small"),
        Variant("3b", base="meta-llama/Llama-3.2-3B-Instruct", scale="full"),
        Variant("8b", base="meta-llama/Llama-3.1-8B-Instruct", scale="full"),
        Variant("1.1b", base="TinyLlama/TinyLlama-1.1B-Chat-v1.0", scale="full"),
        Variant("distilgpt2", base="distilbert/distilgpt2", scale="full"),
    ],
)
