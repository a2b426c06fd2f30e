"""Wizard of Wikipedia dialogues alone: talk about knowledge.

One source of the knowledge mix by itself, to see its part in the mix's tone. Settings as in
wiki_only, but that at mini scale its few rows are seen three times.
"""

from harness import Claim, Mix, Recipe
from recipes.datasets import DIALOGUES
from recipes.wiki_only import sizes

DATA, HELD_OUT = Mix(DIALOGUES), Mix(DIALOGUES.held_out(200, small=100, mini=40))

KILT_ONLY = Recipe(
    name="kilt_only",
    variants=sizes(DATA, HELD_OUT, mini_epochs=3),
    claims=[
        Claim("tone", "conversational", higher_than="base", words="answers are more conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
