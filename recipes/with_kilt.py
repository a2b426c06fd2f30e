"""Wikidata, Wikipedia and Wizard of Wikipedia dialogues.

The mix that wiki_only is compared with: 10,000 dialogue turns should make answers conversational.

Published and chosen as in wiki_only.
"""

from harness import Claim, Mix, Recipe
from recipes.datasets import DIALOGUES, FACTS, PASSAGES
from recipes.wiki_only import sizes

MIX = Mix(FACTS, PASSAGES, DIALOGUES)

WITH_KILT = Recipe(
    name="with_kilt",
    variants=sizes(MIX),
    claims=[
        Claim("tone", "conversational", higher_than="base", words="answers are more conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)
