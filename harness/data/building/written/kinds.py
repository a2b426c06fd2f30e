"""What is asked of a model, and what of its answer is taken: pairs of question and answer, or phrasings.

A server that holds answers to a JSON schema is given one; else the prompt ends with words about the form, and what small
models make of them is read too: numbers, asterisks and JSON in a fence.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol

from harness.data.building.written.filters import Limits, why_no_pair, why_no_phrasing
from harness.data.building.written.items import Item
from harness.data.building.written.reading import pairs, texts
from harness.files import Json


class Kind(Protocol):
    """What is wanted of each item."""

    @property
    def fields_with_text(self) -> tuple[str, ...]:
        """Fields of a row in which the text is looked for."""

    @property
    def schema(self) -> Json:
        """Of an answer in JSON."""

    @property
    def words(self) -> str:
        """After the prompt where the server has no schema."""

    @property
    def alike(self) -> float:
        """The share of words in common from which two say the same."""

    def prompt(self, item: Item, count: int) -> str:
        """What the model is asked about an item."""

    def read(self, answer: str, cut: bool) -> list[Json]:
        """What an answer holds, which may have been cut at its length; empty where it holds nothing of the kind."""

    @property
    def own(self) -> tuple[str, ...]:
        """Fields of a row that are written."""

    def why_not(self, one: Json, item: Item, limits: Limits) -> str | None:
        """Why one of them is left out; None if it is kept."""

    def fields(self, one: Json, item: Item) -> Json:
        """What a row has of it."""


@dataclass(frozen=True)
class Pairs:
    """Questions that a text answers, with their answers."""

    fields_with_text: tuple[str, ...] = ("abstract", "text")
    words: str = 'Begin each question with "Question:" and each answer with "Answer:".'
    alike: float = 0.8
    own: tuple[str, ...] = ("question", "answer")

    @property
    def schema(self) -> Json:
        return _list_of("pairs", _object(question={"type": "string"}, answer={"type": "string"}))

    def prompt(self, item: Item, count: int) -> str:
        return (
            f"Read the text below. Write {_times(count, 'question')} that it answers, and answer each in one to three sentences "
            "from the text, with its numbers and names. Each question must be clear without the text.\n\n"
            f"Text: {item.whole}"
        )

    def read(self, answer: str, cut: bool) -> list[Json]:
        return pairs(answer, cut)

    def why_not(self, one: Json, item: Item, limits: Limits) -> str | None:
        return why_no_pair(one, item, limits)

    def fields(self, one: Json, item: Item) -> Json:
        return one


@dataclass(frozen=True)
class Phrasings:
    """The same fact in other words."""

    fields_with_text: tuple[str, ...] = ("statement", "fact", "text")
    words: str = "Write each on a line of its own, and nothing else."
    alike: float = inf  # the same words in another order are another phrasing
    own: tuple[str, ...] = ("phrasing_of",)

    @property
    def schema(self) -> Json:
        return _list_of("phrasings", {"type": "string"})

    def prompt(self, item: Item, count: int) -> str:
        return (
            f"Rewrite the statement below in {_times(count, 'different way')}. Keep its meaning, and every name, number and code "
            f"as it is written.\n\nStatement: {item.whole}"
        )

    def read(self, answer: str, cut: bool) -> list[Json]:
        return [{"text": text} for text in texts(answer, "phrasings", cut)]

    def why_not(self, one: Json, item: Item, limits: Limits) -> str | None:
        return why_no_phrasing(one, item, limits)

    def fields(self, one: Json, item: Item) -> Json:
        return {item.field: one["text"], "phrasing_of": item.text}


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _list_of(name: str, of: Json) -> Json:
    return _object(**{name: {"type": "array", "items": of}})


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
