"""How many weights a shape has, and how many an adapter over it trains: its matrices counted, no model built."""

from __future__ import annotations

from harness.recipe import Architecture

Matrix = tuple[int, int]  # inputs, outputs


def parameters(shape: Architecture, adapter_rank: int | None = None) -> tuple[int, int]:
    """(trainable, the model's own) weights.

    An adapter of rank r is on all linear layers but the head, with two matrices on each, (r, in) and (out, r)
    (Hu et al. 2021, arXiv:2106.09685).
    """
    matrices = _linear(shape)
    total = sum(a * b for a, b in matrices) * shape.layers + _rest(shape)
    if adapter_rank is None:
        return total, total
    return shape.layers * sum(adapter_rank * (a + b) for a, b in matrices), total


def _linear(shape: Architecture) -> list[Matrix]:
    """The linear layers of one block."""
    width, inner = shape.hidden_size, shape.intermediate_size
    if shape.family == "gpt2":  # queries, keys and values in one matrix
        return [(width, 3 * width), (width, width), (width, inner), (inner, width)]
    head = shape.head_size or width // shape.heads
    queries, keys = shape.heads * head, shape.key_value_heads * head
    return [
        *((width, queries), (width, keys), (width, keys), (queries, width)),  # q, k, v, o
        *((width, inner), (width, inner), (inner, width)),  # gate, up, down
    ]


def _rest(shape: Architecture) -> int:
    """Embeddings, the head where it is not the embedding, norms and biases."""
    width = shape.hidden_size
    embeddings = shape.vocabulary_size * width * (1 if shape.tied_embeddings else 2)
    if shape.family == "gpt2":  # learned positions, biases, two norms a block and one at the end, each with a bias
        biases = sum(outputs for _, outputs in _linear(shape))
        return embeddings + shape.context_length * width + shape.layers * (biases + 4 * width) + 2 * width
    return embeddings + shape.layers * 2 * width + width
