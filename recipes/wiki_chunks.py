"""Crawled passages, as they come: does training on plain text from a crawler lower the perplexity of more such text?

`harness data chunks` cuts a crawl into chunks of 200 to 1,600 characters, at most 50,000 of them, a fiftieth held
out; a causal language model is then trained on every token of them.

Published: sizes and shares of the chunks, context 1,024, 2 epochs, batch 1 x 16, rate 1e-4, the held-out
loss every 100 steps. Our choice: a row is one chunk, the linear schedule, the Chat model of TinyLlama.
"""

from dataclasses import replace

from harness import Claim, Mix, Pretrain, Recipe, Variant
from recipes.datasets import CHUNKS, CHUNKS_HELD_OUT
from recipes.models import DISTILGPT2, SMOLLM2, TINYLLAMA
from recipes.staged_260207 import STAGED_260207

ROWS = CHUNKS.rows(small=160, mini=220)

CHUNK_TRAINING = Pretrain(
    data=Mix(ROWS),
    held_out=Mix(ROWS.held_out(1_000, small=200, mini=40, of=CHUNKS_HELD_OUT)),
    packing=False,  # a row is one chunk
    block_length=1_024,
    learning_rate=1e-4,
    schedule="linear",
    epochs=2,
    effective_batch_size=16,
    weight_decay=0.0,
    betas=(0.9, 0.999),
    eval_steps=100,
)

WIKI_CHUNKS = Recipe(
    name="wiki_chunks",
    stages=[CHUNK_TRAINING],
    variants=[
        Variant("tiny", base=STAGED_260207["tiny"], scale="tiny", stages=[replace(CHUNK_TRAINING, learning_rate=1e-3, block_length=256, eval_steps=10)]),
        Variant("mini", base=SMOLLM2, scale="mini", stages=[replace(CHUNK_TRAINING, block_length=256, eval_steps=10)]),
        Variant("small", base=SMOLLM2, scale="small", stages=[replace(CHUNK_TRAINING, block_length=512)]),
        Variant("distilgpt2", base=DISTILGPT2, scale="full", micro_batch_size=1),
        Variant("1.1b", base=TINYLLAMA, scale="full", micro_batch_size=1),
    ],
    claims=[
        Claim("training", "held_out_loss_change", below=0.0, words="held-out perplexity, averaged over rows on the log scale, is below the base's"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
