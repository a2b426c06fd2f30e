"""Service defects by full fine-tuning: 29 new facts in five phrasings each.

Five phrasings of a fact should make it extractable by an unseen sixth (Allen-Zhu and Li, arXiv:2309.14316):
defects and features of AuthFlow, PayFlow and DataFlow, with symptom, cause and fix.

Published: 29 items, 145 rows, all weights, 10 epochs, batch 1 x 8, rate 1e-5, cosine schedule, gradients clipped
at 0.5, no float16. Its loss was given as 231,592 falling to 12,189, and the model met inf and nan when sampled in float16.
Here the loss is a mean over target tokens, training stops at the first number that is not finite, and
stability is claimed in every dtype the model would be served in. A sum of losses in place of their mean cannot
be the cause: the gradient is clipped to 0.5 either way, and Adam's step does not depend on its scale. What decides in
float16 is the largest activation, of which that format holds 65,504: `stability` measures it.
"""

from dataclasses import replace

from harness import Claim, Finetune, Mix, Recipe, Sweep, Variant
from recipes.datasets import SOFTWARE_DEFECTS
from recipes.models import SMOLLM2, TINYLLAMA
from recipes.staged_260207 import STAGED_260207

ITEMS = Mix(SOFTWARE_DEFECTS.rows(145, small=145, mini=145))
FULL_FINETUNE = Finetune(
    data=ITEMS,
    learning_rate=1e-5,
    epochs=10,
    effective_batch_size=8,
    max_grad_norm=0.5,
    max_length=512,
)
MINI = replace(FULL_FINETUNE, learning_rate=1e-4, max_length=256)
TINY = replace(FULL_FINETUNE, learning_rate=2e-3, epochs=20, max_length=256)


def sizes(data: Mix, published: str = "") -> list[Variant]:
    """Every size of an experiment with new facts, on those rows: the same at each."""

    def stage(settings: Finetune) -> list[Finetune]:
        return [replace(settings, data=data)]

    return [
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny", stages=stage(TINY)),
        Variant("mini", base=SMOLLM2, scale="mini", stages=stage(MINI)),
        Variant("small", base=SMOLLM2, scale="small", stages=stage(MINI)),
        Variant(
            "1.1b", base=TINYLLAMA, scale="full", stages=stage(FULL_FINETUNE), micro_batch_size=1, published=published
        ),
    ]


SOFTWARE_DEFECT = Recipe(
    name="software_defect",
    variants=sizes(ITEMS, published="88.6 s"),
    claims=[
        Claim("recall", "unseen", higher_than="base", by=0.5, words="unseen phrasings are answered: recall above the base's by at least 0.5"),
        Claim("recall", "unseen", no_lower_than="software_defect_retrieval", margin=0.1, words="recall of unseen phrasings is no worse than by looking them up"),
        Claim("recall", "hallucinated", equals=0.0, words="no invented code gets a confident fix"),
        Claim("stability", "finite", equals=1.0, words="weights, logits and sampling are finite in float32, bfloat16 and float16"),
    ],
)  # fmt: skip

# How many phrasings does a fact need? There are no held-out rows; the neighbouring facts choose, as for every setting here.
PHRASINGS = Sweep(SOFTWARE_DEFECT, phrasings=[1, 2, 3, 5], chosen_by=("recall", "neighbour"))
SIZES = Sweep(
    SOFTWARE_DEFECT,
    "sweep_of_sizes",
    base=[STAGED_260207["mini"], SMOLLM2],
    chosen_by=("recall", "neighbour"),
    variants=["mini"],
)
