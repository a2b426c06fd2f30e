"""Service defects by LoRA: does an adapter learn as much as all weights, and forget less?

LoRA learns less and forgets less (Biderman et al. 2024, arXiv:2405.09673); on all linear layers and at about ten
times the rate it should keep up with full fine-tuning (Schulman 2025). Data and batches as in software_defect.
"""

from dataclasses import replace

from harness import Claim, Lora, Recipe, Variant
from recipes.models import SMOLLM2, TINYLLAMA
from recipes.software_defect import FULL_FINETUNE, MINI, TINY
from recipes.staged_260207 import STAGED_260207

ADAPTER = Lora(rank=16)

SOFTWARE_DEFECT_LORA = Recipe(
    name="software_defect_lora",
    stages=[replace(FULL_FINETUNE, adapter=ADAPTER, learning_rate=1e-4)],
    variants=[
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny", stages=[replace(TINY, adapter=ADAPTER, learning_rate=5e-3)]),
        Variant("mini", base=SMOLLM2, scale="mini", stages=[replace(MINI, adapter=ADAPTER, learning_rate=1e-3)]),
        Variant("small", base=SMOLLM2, scale="small", stages=[replace(MINI, adapter=ADAPTER, learning_rate=1e-3)]),
        Variant("1.1b", base=TINYLLAMA, scale="full", micro_batch_size=1),
    ],
    claims=[
        Claim("recall", "unseen", no_lower_than="software_defect", margin=0.1, words="recall of unseen phrasings is within 0.1 of full fine-tuning's"),
        Claim("retention", "bits_per_byte", lower_than="software_defect", words="general text is kept better than by full fine-tuning"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
