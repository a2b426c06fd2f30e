"""Wikidata and Wikipedia without dialogue.

Removing Wizard of Wikipedia from the mix should make answers encyclopedic.

Published: bases, rows, LoRA rank, rate, epochs, batch sizes. Our choice: the Instruct bases, alpha 2r on all
linear layers, no dropout, rows of at most 1,024 tokens. At mini and small scale few rows are seen once, at a
higher rate, so that the demo takes minutes; docs/experiments.md has what was tried.
"""

from dataclasses import replace

from harness import Claim, Finetune, Lora, Mix, Recipe, Sweep, Variant
from recipes.datasets import FACTS, KNOWLEDGE_HELD_OUT, PASSAGES
from recipes.models import LLAMA_3B, LLAMA_8B, SMOLLM2
from recipes.staged_260207 import STAGED_260207

MIX = Mix(FACTS, PASSAGES, file="knowledge_wikidata_wikipedia_only.json")
KNOWLEDGE = Finetune(
    data=MIX,
    held_out=KNOWLEDGE_HELD_OUT,
    adapter=Lora(rank=16),
    learning_rate=2e-4,
    epochs=3,
    effective_batch_size=16,  # rows per optimizer step
)
MINI = replace(  # so few steps need no look at the held-out loss but the first and the last
    KNOWLEDGE, learning_rate=1e-3, epochs=1, effective_batch_size=8, max_length=256, eval_steps=1_000
)
SMALL = replace(MINI, max_length=512)
TINY = replace(KNOWLEDGE, learning_rate=2e-3, max_length=256, effective_batch_size=8)


def sizes(
    data: Mix, held_out: Mix = KNOWLEDGE_HELD_OUT, mini_epochs: int = 1, published: tuple[str, str] = ("", "")
) -> list[Variant]:
    """Every size of a knowledge experiment, on those rows."""

    def stage(settings: Finetune) -> list[Finetune]:
        return [replace(settings, data=data, held_out=held_out)]

    return [
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny", stages=stage(TINY)),
        Variant("mini", base=SMOLLM2, scale="mini", stages=stage(replace(MINI, epochs=mini_epochs))),
        Variant("small", base=SMOLLM2, scale="small", stages=stage(SMALL)),
        Variant("3b", base=LLAMA_3B, scale="full", stages=stage(KNOWLEDGE), micro_batch_size=4, published=published[0]),
        Variant("8b", base=LLAMA_8B, scale="full", stages=stage(KNOWLEDGE), micro_batch_size=2, published=published[1]),
    ]


PUBLISHED = ("2 to 3 h on an RTX 4090", "4 to 5 h on an RTX 4090")  # 3B, 8B
WIKI_ONLY = Recipe(
    name="wiki_only",
    variants=sizes(MIX, published=PUBLISHED),
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

RATES_AND_RANKS = Sweep(
    WIKI_ONLY,
    learning_rate=[2e-4, 5e-4, 1e-3, 2e-3],
    rank=[4, 16, 64],
    judged_by=("retention", "bits_per_byte"),
    variants=["mini", "small", "3b"],
)
