"""Wikidata and Wikipedia without dialogue.

Removing Wizard of Wikipedia from the mix should make answers encyclopedic.

Published: bases, rows, LoRA rank, rate, epochs, batch sizes. Our choice: the Instruct bases, alpha 2r on all
linear layers, no dropout, rows of at most 1,024 tokens.
"""

from dataclasses import replace

from harness import Claim, Finetune, Lora, Mix, Recipe, Variant
from recipes.datasets import FACTS, KNOWLEDGE_HELD_OUT, PASSAGES
from recipes.staged_260207 import STAGED_260207

KNOWLEDGE = Finetune(
    data=Mix(FACTS, PASSAGES, file="knowledge_wikidata_wikipedia_only.json"),
    held_out=KNOWLEDGE_HELD_OUT,
    adapter=Lora(rank=16),
    learning_rate=2e-4,
    epochs=3,
    effective_batch_size=16,  # rows per optimizer step
)
# Models of a few million weights want larger steps, and the smallest also more of them.
SMALL = replace(KNOWLEDGE, learning_rate=4e-3, max_length=512)
MINI = replace(KNOWLEDGE, learning_rate=2e-3, max_length=256, effective_batch_size=8)

WIKI_ONLY = Recipe(
    name="wiki_only",
    stages=[KNOWLEDGE],
    variants=[
        Variant("mini", base=STAGED_260207["mini"], scale="mini", stages=[MINI]),
        Variant("small", base=STAGED_260207["small"], scale="small", stages=[SMALL]),
        Variant("3b", base="meta-llama/Llama-3.2-3B-Instruct", scale="full", micro_batch_size=4),
        Variant("8b", base="meta-llama/Llama-3.1-8B-Instruct", scale="full", micro_batch_size=2),
    ],
    claims=[
        Claim(
            "tone", "conversational", lower_than="with_kilt", words="answers are less conversational than with_kilt's"
        ),
        Claim("tone", "conversational", lower_than="base", words="answers are less conversational than the base's"),
        Claim("tone", "conversational", below=0.5, words="answers are more encyclopedic than conversational"),
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim(
            "retention",
            "bits_per_byte",
            no_higher_than="base",
            margin=0.1,
            words="general text costs less than 0.1 bits per byte more than with the base",
        ),
        Claim("stability", "finite", equals=1.0),
    ],
)
