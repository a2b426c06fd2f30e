"""A conversation in the model's own chat template -> its token ids, and which of them are the assistant's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DataError
from harness.models.loading.template import applied, render

MARK = re.compile(r"{%-?\s*generation\s*-?%}")  # in a template that says itself what the assistant's words are
Turns = Sequence[Mapping[str, str]]
Span = tuple[int, int]  # of tokens or characters: first, and one past the last


@dataclass(frozen=True)
class Rendered:
    """A conversation as token ids."""

    ids: list[int]
    is_target: list[bool]  # True for the assistant's tokens, including the one that ends its turn
    last_only: bool = False  # whether the assistant's earlier turns are left out, as they cannot be told apart


def rendered(turns: Turns, tokenizer: Any) -> Rendered:
    """The conversation exactly as the template renders it.

    Where the template has generation marks, they say which tokens are the assistant's. Elsewhere it is rendered again
    up to each of the assistant's turns, as a question, and up to its end: what the second adds to the first is the
    turn. Both have to stand in the whole conversation unchanged. Some templates render earlier turns otherwise than
    the last one: they drop the reasoning of earlier turns, or put the system prompt before the last question. There
    only the last turn counts as the assistant's. Raises DataError where even that cannot be found, or where the
    template refuses the turns.
    """
    if MARK.search(tokenizer.get_chat_template()):
        marked = applied(turns, tokenizer, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        return Rendered(list(marked["input_ids"]), [bool(mark) for mark in marked["assistant_masks"]])
    whole = render(turns, tokenizer)
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = list(encoded["input_ids"]), [tuple(place) for place in encoded["offset_mapping"]]
    ends = _control_tokens(ids, tokenizer)
    asked = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    found = {number: _answer(turns, number, whole, places, ends, tokenizer) for number in asked}
    last_only = any(span is None for span in found.values())
    if last_only and found[asked[-1]] is None:
        raise DataError(
            "the chat template renders a question otherwise once its answer is there, so the assistant's tokens "
            "cannot be told apart.",
            "Use Finetune(template='chatml').",
        )
    is_target = [False] * len(ids)
    for span in [found[asked[-1]]] if last_only else found.values():
        assert span is not None
        is_target[slice(*span)] = [True] * (span[1] - span[0])
    return Rendered(ids, is_target, last_only)


def _answer(
    turns: Turns, number: int, whole: str, places: Sequence[Span], ends: Sequence[int], tokenizer: Any
) -> Span | None:
    """The tokens of one of the assistant's turns, up to the last control token in it; None if it cannot be told apart.

    `places` are the tokens' first and last characters in `whole`, `ends` the numbers of its control tokens.
    """
    before, through = render(turns[:number], tokenizer, ask=True), render(turns[: number + 1], tokenizer)
    common = _alike(through, whole)
    if not whole.startswith(before) or common <= len(before):
        return None
    # A token that holds characters of both sides is the assistant's, as it is by generation marks.
    inside = [token for token, (first, last) in enumerate(places) if last > len(before) and first < common]
    closing = [token for token in ends if inside and inside[0] <= token <= inside[-1] and places[token][1] <= common]
    if closing:
        return inside[0], closing[-1] + 1
    return (inside[0], inside[-1] + 1) if inside and common == len(through) else None


def _alike(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return next((number for number, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _control_tokens(ids: Sequence[int], tokenizer: Any) -> list[int]:
    """Which tokens are the tokenizer's control tokens, such as the one that ends a turn: their numbers in `ids`."""
    special = set(tokenizer.all_special_ids)
    special |= {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return [number for number, token in enumerate(ids) if token in special]
