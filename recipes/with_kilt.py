"""Wikidata, Wikipedia and Wizard of Wikipedia dialogues.

The mix that wiki_only is compared with: 10,000 dialogue turns should make answers conversational.

Published and chosen as in wiki_only.
"""

from dataclasses import replace

from harness import Claim, Mix, Recipe, Variant
from recipes.datasets import DIALOGUES, FACTS, PASSAGES
from recipes.staged_260207 import STAGED_260207
from recipes.wiki_only import KNOWLEDGE, MINI, SMALL

MIX = Mix(FACTS, PASSAGES, DIALOGUES)

WITH_KILT = Recipe(
    name="with_kilt",
    stages=[replace(KNOWLEDGE, data=MIX)],
    variants=[
        Variant("mini", base=STAGED_260207["mini"], scale="mini", stages=[replace(MINI, data=MIX)]),
        Variant("small", base=STAGED_260207["small"], scale="small", stages=[replace(SMALL, data=MIX)]),
        Variant("3b", base="meta-llama/Llama-3.2-3B-Instruct", scale="full", micro_batch_size=4),
        Variant("8b", base="meta-llama/Llama-3.1-8B-Instruct", scale="full", micro_batch_size=2),
    ],
    claims=[
        Claim("tone", "conversational", higher_than="base", words="answers are more conversational than the base's"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("stability", "finite", equals=1.0),
    ],
)
