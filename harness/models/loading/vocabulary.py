"""Token ids: those that the model has embeddings for, those that end an answer, and the one to pad with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import DataError

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>")


def stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the model's and the tokenizer's own, and all ends of turns in the vocabulary."""
    eos = model.generation_config.eos_token_id
    stops = set(eos if isinstance(eos, list) else [] if eos is None else [eos])
    vocabulary = tokenizer.get_vocab()
    stops |= {vocabulary[token] for token in TURN_ENDS if token in vocabulary}
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    return stops


def embeddings(model: Any) -> int:
    """For how many tokens the model has weights."""
    return int(model.get_input_embeddings().weight.shape[0])


def check_ids(ids: Sequence[int], count: int, what: str, tokenizer: Any = None) -> None:
    """Raise DataError where a token id is beyond a model's `count` embeddings; `what` holds the ids, in the message."""
    if max(ids, default=0) < count:
        return
    beyond = next(token for token in ids if token >= count)
    named = f" ({tokenizer.convert_ids_to_tokens(beyond)!r})" if tokenizer is not None else ""
    raise DataError(
        f"{what}: token {beyond}{named} is beyond the model's {count:,} embeddings: its tokenizer knows more tokens "
        "than it has weights for.",
        "Give the model its own tokenizer, or resize its embeddings (model.resize_token_embeddings) and save it.",
    )


def padding(tokenizer: Any, model: Any) -> int:
    """The token to pad with, which nothing attends to: the tokenizer's own, if the model has weights for it."""
    own = tokenizer.pad_token_id
    return int(own) if own is not None and own < embeddings(model) else 0
