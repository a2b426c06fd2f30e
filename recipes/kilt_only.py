"""Wizard of Wikipedia dialogues alone: talk about knowledge.

One source of the knowledge mix by itself, to see its part in the mix's tone. Settings as in
wiki_only.
"""

from dataclasses import replace

from harness import Claim, Mix, Recipe, Variant
from recipes.datasets import DIALOGUES
from recipes.staged_260207 import STAGED_260207
from recipes.wiki_only import KNOWLEDGE, MINI, SMALL

DATA, HELD_OUT = Mix(DIALOGUES), Mix(DIALOGUES.held_out(200, small=100, mini=40))

KILT_ONLY = Recipe(
    name="kilt_only",
    stages=[replace(KNOWLEDGE, data=DATA, held_out=HELD_OUT)],
    variants=[
        Variant("mini", base=STAGED_260207["mini"], scale="mini", stages=[replace(MINI, data=DATA, held_out=HELD_OUT)]),
        Variant("small", base=STAGED_260207["small"], scale="small", stages=[replace(SMALL, data=DATA, held_out=HELD_OUT)]),
        Variant("3b", base="meta-llama/Llama-3.2-3B-Instruct", scale="full", micro_batch_size=4),
        Variant("8b", base="meta-llama/Llama-3.1-8B-Instruct", scale="full", micro_batch_size=2),
    ],
    claims=[
        Claim("tone", "conversational", higher_than="base", words="answers are more conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
