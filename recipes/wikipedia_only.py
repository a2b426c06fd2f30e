"""Wikipedia passages alone: knowledge as running text.

One source of the knowledge mix by itself, to see its part in the mix's tone. Settings as in
wiki_only, but that at mini scale its few rows are seen three times.
"""

from harness import Claim, Mix, Recipe
from recipes.datasets import PASSAGES, WIKIPEDIA_HELD_OUT
from recipes.wiki_only import sizes

DATA, HELD_OUT = Mix(PASSAGES), Mix(PASSAGES.held_out(200, small=100, mini=40, of=WIKIPEDIA_HELD_OUT))

WIKIPEDIA_ONLY = Recipe(
    name="wikipedia_only",
    variants=sizes(DATA, HELD_OUT, mini_epochs=3),
    claims=[
        Claim("tone", "conversational", lower_than="base", words="answers are less conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
