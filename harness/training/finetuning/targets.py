"""A conversation in the model's own chat template -> its token ids, and which of them are the assistant's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import DataError
from harness.models.loading.template import applied, render

MARK = re.compile(r"{%-?\s*generation\s*-?%}")  # in a template that says itself what the assistant's words are
Turns = Sequence[Mapping[str, Any]]
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
    turn. Some templates render earlier turns otherwise than the last one: they drop the reasoning of earlier turns, or
    put the system prompt before the last question. There only the last turn counts as the assistant's.

    Raises DataError where the template refuses the turns, and where the question before the last answer is not
    rendered as the suites would ask it: a model would learn to answer what it is never asked.
    """
    asked = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    whole = render(turns, tokenizer)
    questions = {number: render(turns[:number], tokenizer, ask=True) for number in asked}
    if asked and not whole.startswith(questions[asked[-1]]):
        raise _unlike(questions[asked[-1]], whole)
    if MARK.search(tokenizer.get_chat_template()):
        marked = applied(turns, tokenizer, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        is_target = [bool(mark) for mark in marked["assistant_masks"]]
        return Rendered(list(marked["input_ids"]), _weighted(is_target, [turns[number] for number in asked]))
    starts = [len(question) for question in questions.values() if whole.startswith(question)]
    text = _Text(whole, *_tokens(whole, starts, tokenizer), tokenizer)
    found = {number: text.answer(turns, number, len(questions[number])) if whole.startswith(questions[number]) else None
             for number in asked}  # fmt: skip
    if asked and found[asked[-1]] is None:
        raise _unlike(questions[asked[-1]], whole)
    last_only = None in found.values()
    is_target = [False] * len(text.ids)
    for number in asked[-1:] if last_only else asked:
        span = found[number]
        assert span is not None
        if turns[number].get("weight") != 0:
            is_target[slice(*span)] = [True] * (span[1] - span[0])
    return Rendered(text.ids, is_target, last_only)


def _weighted(is_target: list[bool], answers: Turns) -> list[bool]:
    """The marks of a template without those of turns of weight 0. DataError where it marks the turns in one piece."""
    if all(turn.get("weight") != 0 for turn in answers):
        return is_target
    first = [n for n, mark in enumerate(is_target) if mark and (n == 0 or not is_target[n - 1])]
    if len(first) != len(answers):
        raise DataError(
            f"the chat template marks {len(first)} pieces as the assistant's in a conversation with {len(answers)} answers, "
            "so those of weight 0 cannot be told apart.",
            "Use Finetune(template='chatml').",
        )
    kept = list(is_target)
    for begin, end, turn in zip(first, [*first[1:], len(is_target)], answers, strict=True):
        if turn.get("weight") == 0:
            kept[begin:end] = [False] * (end - begin)
    return kept


def _unlike(question: str, whole: str) -> DataError:
    common = _alike(question, whole)
    return DataError(
        "the chat template renders the question before the last answer otherwise once the answer is there "
        f"(asked: ...{question[max(0, common - 30) :][-60:]!r}, with its answer: ...{whole[max(0, common - 30) :][:60]!r}), "
        "so the answer's tokens cannot be told apart.",
        "Use Finetune(template='chatml').",
    )


def _tokens(whole: str, starts: Sequence[int], tokenizer: Any) -> tuple[list[int], list[Span]]:
    """Token ids, and the first and last character of each; no token reaches across the beginning of an answer.

    Such a token, of the question's last line break and an answer's first blank, would never be asked for: what a model
    is asked ends with the question. Raises DataError for a tokenizer that cannot begin in the middle of a text.
    """
    cuts = [0, *starts, len(whole)]
    ids: list[int] = []
    places: list[Span] = []
    for first, last in zip(cuts, cuts[1:], strict=False):
        encoded = tokenizer(whole[first:last], add_special_tokens=False, return_offsets_mapping=True)
        ids += encoded["input_ids"]
        places += [(first + a, first + b) for a, b in encoded["offset_mapping"]]
    at_once = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    if ids == at_once["input_ids"]:
        return ids, places
    if (
        tokenizer("a", add_special_tokens=False)["input_ids"]
        == tokenizer("\na", add_special_tokens=False)["input_ids"][-1:]
    ):
        return ids, places
    # A tokenizer that marks the beginning of a text would put a blank before each answer.
    places = [(a, b) for a, b in at_once["offset_mapping"]]
    across = next((start for start in starts if any(a < start < b for a, b in places)), None)
    if across is not None:
        raise DataError(
            f"an answer begins with {whole[across : across + 10]!r}, which melts into the question's last token.",
            "Strip the answer.",
        )
    return list(at_once["input_ids"]), places


@dataclass(frozen=True)
class _Text:
    """A rendered conversation: its token ids, and the first and last character of each."""

    whole: str
    ids: list[int]
    places: list[Span]
    tokenizer: Any

    @cached_property
    def control(self) -> list[int]:
        """Which tokens are the tokenizer's control tokens, such as the one that ends a turn: their numbers."""
        special = set(self.tokenizer.all_special_ids)
        special |= {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        return [number for number, token in enumerate(self.ids) if token in special]

    def answer(self, turns: Turns, number: int, start: int) -> Span | None:
        """The tokens of one of the assistant's turns, whose first character is `start`; None if it has no clear end.

        They end with a control token that follows what is said: the last that is there also when more turns follow.
        """
        through = render(turns[: number + 1], self.tokenizer)
        common = _alike(through, self.whole)
        said = turns[number]["content"].strip()
        at = self.whole.find(said, start, common)
        if at < 0 and common < len(through):
            return None  # an earlier answer is rendered otherwise than the last one
        end = max(start, at + len(said) if at >= 0 else start)
        first = next((token for token, (_, last) in enumerate(self.places) if last > start), len(self.ids))
        after = [token for token in self.control if self.places[token][0] >= end and token >= first]
        inside = [token for token in after if self.places[token][1] <= common]
        if inside:
            return first, inside[-1] + 1
        if common < len(through):  # another control token may end an earlier turn than the last
            return (first, after[0] + 1) if after and not self.whole[end : self.places[after[0]][0]].strip() else None
        stop = next((token for token, (begin, _) in enumerate(self.places) if begin >= common), len(self.ids))
        return (first, stop) if stop > first else None


def _alike(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return next((number for number, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
