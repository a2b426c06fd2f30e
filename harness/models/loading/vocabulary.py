"""Token ids against the model's embeddings: a tokenizer may know tokens that its model has no weights for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import DataError


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
