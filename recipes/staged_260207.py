"""Staged pretraining 260207: half encyclopedia, half stories, then instructions.

A small model pretrained on two kinds of plain text and fine-tuned on instructions should answer OpenBookQA
better than chance. OpenBookQA itself is evaluation only.

Published: shares, batch sizes, rates, warm-ups, epochs. Our choice: the architecture, a Llama shape of 124M
parameters, and the tokenizer, a byte-level BPE trained on the same text.
"""

from dataclasses import replace

from harness import Architecture, Claim, Finetune, Mix, Pretrain, Recipe, Target, Variant
from recipes.datasets import (
    ENCYCLOPEDIA,
    HELD_OUT_ENCYCLOPEDIA,
    HELD_OUT_STORIES,
    INSTRUCTIONS,
    INSTRUCTIONS_HELD_OUT,
    STORIES,
)

LLAMA_124M = Architecture(
    hidden_size=768,
    layers=12,
    heads=12,
    key_value_heads=12,
    intermediate_size=2048,
    vocabulary_size=50_257,
    context_length=1024,
)
LLAMA_4M = replace(LLAMA_124M, hidden_size=256, layers=4, heads=8, key_value_heads=4, intermediate_size=704,
                   vocabulary_size=4_096, context_length=512)  # fmt: skip
LLAMA_2M = replace(LLAMA_124M, hidden_size=160, layers=3, heads=4, key_value_heads=4, intermediate_size=448,
                   vocabulary_size=4_096, context_length=256)  # fmt: skip

PRETRAIN = Pretrain(
    data=Mix(ENCYCLOPEDIA.share(0.5), STORIES.share(0.5)),
    held_out=Mix(HELD_OUT_ENCYCLOPEDIA.rows(100, small=60, mini=30), HELD_OUT_STORIES.rows(100, small=60, mini=30)),
    learning_rate=6e-4,
    min_learning_rate=6e-5,
    warmup_steps=2_000,
    epochs=1,
    effective_batch_size=64,  # blocks of 1,024 tokens
)

ALPACA = INSTRUCTIONS.rows(small=1_500, mini=380)
FINETUNE = Finetune(
    data=Mix(ALPACA),
    held_out=Mix(ALPACA.held_out(200, small=100, mini=40, of=INSTRUCTIONS_HELD_OUT)),
    learning_rate=2e-5,
    min_learning_rate=2e-6,
    warmup_steps=100,
    epochs=3,
    effective_batch_size=32,
)

# A model of two million weights sees the embedded text five times, one of four million the real files once.
SHORT = [
    replace(PRETRAIN, epochs=5, effective_batch_size=2, learning_rate=3e-3, min_learning_rate=3e-4, warmup_steps=20),
    replace(FINETUNE, effective_batch_size=8, learning_rate=1e-3, min_learning_rate=1e-4, warmup_steps=10),
]
SMALL = [
    replace(PRETRAIN, effective_batch_size=8, learning_rate=3e-3, min_learning_rate=3e-4, warmup_steps=50),
    replace(FINETUNE, epochs=2, effective_batch_size=16, learning_rate=1e-3, min_learning_rate=1e-4, warmup_steps=10),
]

STAGED_260207 = Recipe(
    name="staged_260207",
    stages=[PRETRAIN, FINETUNE],
    variants=[
        Variant("tiny", base=LLAMA_2M, scale="tiny", stages=SHORT),
        Variant("mini", base=LLAMA_2M, scale="mini", stages=SHORT),
        Variant("small", base=LLAMA_4M, scale="small", stages=SMALL),
        Variant("full", base=LLAMA_124M, scale="full", micro_batch_size=4),
    ],
    claims=[
        Claim("training", "held_out_loss_change", below=0.0, words="the loss on held-out rows falls"),
        Claim("retention", "bits_per_byte", lower_than="untrained", words="general text is likelier than to the untrained model"),
        Claim("stability", "finite", equals=1.0),
        Claim("contamination", "openbookqa", equals=0.0, words="no OpenBookQA question shares eight words in a row with the training text"),
    ],
    targets=[
        Target("openbookqa", "acc_norm", above=["chance"], words="the published target: acc_norm above chance (25 %)"),
        Target(
            "openbookqa",
            "acc",
            above=["chance", "longest_answer", "first_answer", "untrained"],
            words="acc above every floor: chance, the longest answer, the first answer, the untrained model",
        ),
    ],
)  # fmt: skip
