"""Service defects by LoRA: does an adapter learn as much as all weights, and forget less?

LoRA learns less and forgets less (Biderman et al. 2024, arXiv:2405.09673); on all linear layers and at about ten
times the rate it should keep up with full fine-tuning (Schulman 2025). Data and batches as in software_defect.
"""

from dataclasses import replace

from harness import Claim, Lora, Recipe, Variant
from recipes.software_defect import FULL_FINETUNE, MINI, SMALL
from recipes.staged_260207 import STAGED_260207

ADAPTER = Lora(rank=16)

SOFTWARE_DEFECT_LORA = Recipe(
    name="software_defect_lora",
    stages=[replace(FULL_FINETUNE, adapter=ADAPTER, learning_rate=1e-4)],
    variants=[
        Variant("mini", base=STAGED_260207["mini"], scale="mini", stages=[replace(MINI, adapter=ADAPTER, learning_rate=5e-3)]),
        Variant("small", base=STAGED_260207["small"], scale="small", stages=[replace(SMALL, adapter=ADAPTER, learning_rate=5e-3)]),
        Variant("1.1b", base="TinyLlama/TinyLlama-1.1B-Chat-v1.0", scale="full", micro_batch_size=1),
    ],
    claims=[
        Claim("recall", "unseen", no_lower_than="software_defect", margin=0.1, words="recall of unseen phrasings is within 0.1 of full fine-tuning's"),
        Claim("retention", "bits_per_byte", lower_than="software_defect", words="general text is kept better than by full fine-tuning"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
