"""How many weights a shape has, how many an adapter over it trains, and what training takes of a GPU's memory.

Everything is counted from the shape's matrices; no model is built.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.recipe import Architecture, Lora

Matrix = tuple[str, int, int]  # its name, inputs, outputs
WIDE = ("embed_tokens", "wte", "lm_head")  # modules of a row for each token of the vocabulary
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)  # a weight: 4 bits, and its share of doubly quantized scales


def parameters(shape: Architecture, adapter: Lora | None = None) -> tuple[int, int]:
    """(trainable, the model's own) weights.

    An adapter of rank r has two matrices on each layer, (r, in) and (out, r) (Hu et al. 2021, arXiv:2106.09685); DoRA
    has a magnitude for each output too. Of the modules trained whole beside it, embeddings and head are counted.
    """
    total = _in_blocks(shape) + _rest(shape)
    if adapter is None:
        return total, total
    named = adapter.target_modules
    adapted = [one for one in _linear(shape) if named is None or one[0] in named]
    in_block = sum(adapter.rank * (a + b) + (b if adapter.use_dora else 0) for _, a, b in adapted)
    whole = sum(name in WIDE for name in adapter.modules_to_save) * shape.vocabulary_size * shape.hidden_size
    return shape.layers * in_block + whole, total


@dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """What training takes of a GPU's memory at its fullest, in bytes, and where it goes."""

    weights: int  # of the model, its adapter included
    trained: int  # gradients and moments of the weights that are trained
    activations: int  # what the backward pass needs of the forward pass, of one micro-batch
    logits: int  # where the loss is computed, with their gradient
    step: int  # what the optimizer needs meanwhile, when activations and logits are gone

    @property
    def beside_weights(self) -> int:
        """The higher of two peaks: where the backward pass begins, and in the optimizer's step."""
        return self.trained + max(self.activations + self.logits, self.step)

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.beside_weights


MOMENTS = {"adamw": 8, "adamw_fused": 8, "adamw_8bit": 2}  # bytes of Adam's two moments of one weight
STEP = {"adamw": 4, "adamw_fused": 0, "adamw_8bit": 0}  # of its square roots, if it takes all of them at once


def training_memory(
    shape: Architecture,
    tokens: int,
    *,
    adapter: Lora | None,
    nf4: bool = False,
    narrow: bool = True,
    optimizer: str = "adamw",
) -> TrainingMemory:
    """The memory of training on micro-batches of so many tokens, all of them targets, without gradient checkpointing.

    adapter: None where all weights are trained. nf4: the base's matrices are NF4. narrow: computed in
    bfloat16, else in float32.
    """
    trainable, total = parameters(shape, adapter)
    matrices = _in_blocks(shape)
    head = shape.vocabulary_size * shape.hidden_size
    if adapter is None:
        weights, copied = 4.0 * total, matrices + head
    elif nf4:  # what is not in matrices is held in float32
        weights, copied = NF4_BYTES * matrices + 4 * (total - matrices + trainable), head
    else:
        weights, copied = (2 if narrow else 4) * total + 4 * trainable, 0
    return TrainingMemory(
        weights=int(weights),
        trained=(4 + MOMENTS[optimizer]) * trainable,
        activations=tokens * shape.layers * activation_bytes(shape, adapter is not None, nf4, narrow)
        + (2 * copied if narrow else 0),  # autocast's copies in bfloat16
        logits=12 * tokens * shape.vocabulary_size,  # log-probabilities, their gradient and the logits', in float32
        step=STEP[optimizer] * trainable,
    )


def activation_bytes(shape: Architecture, adapter: bool, nf4: bool, narrow: bool) -> int:
    """Bytes that one token leaves in one layer for the backward pass.

    Counted from what PyTorch keeps of a Llama-shaped layer. In bfloat16 under autocast: each norm keeps its input in
    float32 (and its output, where its weight is trained); each linear layer that is trained, or has an adapter, a copy
    of its input in bfloat16 of its own; attention its queries, its keys and values repeated for all heads, and its
    output; the feed-forward network the gate, its activation, and what that is multiplied with. Over NF4 matrices, whose
    norms are in float32, these three are in float32 too.
    """
    width, inner = shape.hidden_size, shape.intermediate_size
    heads = shape.heads * (shape.head_size or width // shape.heads)
    if not narrow:
        norms = 2 * 4 * width if adapter else 2 * 8 * width
        return norms + 2 * 4 * width + 4 * 4 * heads + 4 * 4 * inner
    norms = 2 * 4 * width if adapter else 2 * 8 * width
    inputs = 5 * 2 * width + (2 * heads if adapter else 0)  # q, k, v, gate, up; o's own input is attention's output
    return norms + inputs + 4 * 2 * heads + (4 * 3 + 2 if nf4 else 4 * 2) * inner


def _in_blocks(shape: Architecture) -> int:
    """Weights of all linear layers but the head."""
    return shape.layers * sum(a * b for _, a, b in _linear(shape))


def _linear(shape: Architecture) -> list[Matrix]:
    """The linear layers of one block."""
    width, inner = shape.hidden_size, shape.intermediate_size
    if shape.family == "gpt2":  # queries, keys and values in one matrix
        return [
            *(("c_attn", width, 3 * width), ("c_proj", width, width)),
            *(("c_fc", width, inner), ("c_proj", inner, width)),
        ]
    head = shape.head_size or width // shape.heads
    queries, keys = shape.heads * head, shape.key_value_heads * head
    return [
        *(("q_proj", width, queries), ("k_proj", width, keys), ("v_proj", width, keys), ("o_proj", queries, width)),
        *(("gate_proj", width, inner), ("up_proj", width, inner), ("down_proj", inner, width)),
    ]


def _rest(shape: Architecture) -> int:
    """Embeddings, the head where it is not the embedding, norms and biases."""
    width = shape.hidden_size
    embeddings = shape.vocabulary_size * width * (1 if shape.tied_embeddings else 2)
    if shape.family == "gpt2":  # learned positions, biases, two norms a block and one at the end, each with a bias
        biases = sum(outputs for *_, outputs in _linear(shape))
        return embeddings + shape.context_length * width + shape.layers * (biases + 4 * width) + 2 * width
    return embeddings + shape.layers * 2 * width + width
