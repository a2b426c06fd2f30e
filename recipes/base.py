"""The base models as they are, each variant's own: what every other recipe is compared with."""

from harness import Recipe, Variant
from recipes.models import DISTILGPT2, LLAMA_3B, LLAMA_8B, SMOLLM2, TINYLLAMA
from recipes.staged_260207 import STAGED_260207

BASE = Recipe(
    name="base",
    variants=[
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny"),
        Variant("mini", base=SMOLLM2, scale="mini"),
        Variant("small", base=SMOLLM2, scale="small"),
        Variant("3b", base=LLAMA_3B, scale="full"),
        Variant("8b", base=LLAMA_8B, scale="full"),
        Variant("1.1b", base=TINYLLAMA, scale="full"),
        Variant("distilgpt2", base=DISTILGPT2, scale="full"),
    ],
)
