"""Statistics questions by QLoRA: an adapter over 4-bit weights (Dettmers et al. 2023, arXiv:2305.14314).

143 answers from Cross Validated and 846 question-answer pairs from 172 arXiv papers should make a small model a
usable adviser on experiments. A tenth is held out by whole papers; every row keeps its citation.

Published: rows, NF4, rank 16, batch 2 x 4, rate 2e-4, 3 epochs, rows of at most 2,048 tokens, ChatML, bfloat16,
accuracy of at least 80 % over classification and critical questions together. Our choice: the Instruct base,
double quantization, that a critical answer is right when it covers two thirds of its key points, and a higher rate at
mini and small scale, where it fits the held-out rows better. On a CPU the 4-bit weights are computed with in float32:
one that has AVX2 alone takes twenty times as long in bfloat16.
"""

from dataclasses import replace

from harness import Claim, Finetune, Lora, Quantization, Recipe, Sweep, Target, Variant
from recipes.datasets import STATISTICS, STATISTICS_HELD_OUT
from recipes.models import LLAMA_3B, SMOLLM2
from recipes.staged_260207 import STAGED_260207

QLORA = Finetune(
    data=STATISTICS,
    held_out=STATISTICS_HELD_OUT,
    adapter=Lora(rank=16),
    quantization=Quantization(double=True),
    template="chatml",
    learning_rate=2e-4,
    epochs=3,
    effective_batch_size=8,
    max_length=2_048,
)
ON_A_CPU = replace(QLORA, quantization=Quantization(double=True, compute="float32"))

STATS_QLORA = Recipe(
    name="stats_qlora",
    stages=[QLORA],
    variants=[
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny", stages=[replace(ON_A_CPU, learning_rate=4e-3, epochs=6, max_length=256)]),
        Variant("mini", base=SMOLLM2, scale="mini", stages=[replace(ON_A_CPU, learning_rate=1e-3, max_length=256)]),
        Variant("small", base=SMOLLM2, scale="small", stages=[replace(ON_A_CPU, learning_rate=1e-3, max_length=512)]),
        Variant("3b", base=LLAMA_3B, scale="full", micro_batch_size=2, published="2 to 3 h on an RTX 4090"),
    ],
    claims=[
        Claim("holdout_statistics", "bits_per_byte", lower_than="base", words="answers to questions that it did not see are likelier than to the base"),
        Claim("training", "held_out_loss_change", below=0.0, words="held-out perplexity, averaged over rows on the log scale, is below the base's"),
        Claim("stability", "finite", equals=1.0),
    ],
    targets=[
        Target("classification", "accuracy", at_least=0.8, together_with=["critical"]),
    ],
)  # fmt: skip

# Are 989 rows enough? An eighth of the training rows, a quarter, half, all: of each question on held-out papers, the loss.
JUDGED = ("training", "held_out_loss")
ROWS = Sweep(STATS_QLORA, "sweep_of_rows", rows=[111, 222, 445, 890], judged_by=JUDGED, variants=["3b"])
FEWER_ROWS = Sweep(STATS_QLORA, "sweep_of_fewer_rows", rows=[19, 39, 78, 156], judged_by=JUDGED, variants=["mini"])
