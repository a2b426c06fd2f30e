"""Wikidata statements alone: knowledge as single facts.

One source of the knowledge mix by itself, to see its part in the mix's tone. Settings as in
wiki_only, but that at mini scale its few rows are seen three times.
"""

from harness import Claim, Mix, Recipe
from recipes.datasets import FACTS, WIKIDATA_HELD_OUT
from recipes.wiki_only import sizes

DATA, HELD_OUT = Mix(FACTS), Mix(FACTS.held_out(200, small=100, mini=40, of=WIKIDATA_HELD_OUT))

WIKIDATA_ONLY = Recipe(
    name="wikidata_only",
    variants=sizes(DATA, HELD_OUT, mini_epochs=3),
    claims=[
        Claim("tone", "conversational", lower_than="base", words="answers are less conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
