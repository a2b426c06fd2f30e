"""What is asked of a model, and what of its answer is taken: pairs of question and answer, or phrasings.

A server that holds answers to a JSON schema is given one; else the prompt ends with words about the form, and what small
models make of them is read too: numbers, asterisks and JSON in a fence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from harness.data.building.written.filters import Limits, why_no_pair, why_no_phrasing
from harness.data.building.written.items import Item
from harness.files import Json

MARK = re.compile(
    r"^\s*(?:[-*•]\s+|\(?\d{1,3}[.):]\s+|(?:rewritten )?(?:phrasing|statement)\s*\d*\s*:\s*)+", re.IGNORECASE
)  # before a line of a list
LABEL = re.compile(
    r"^[\s>#*_-]*(?:\(?\d{1,3}[.):]\s*)?[*_]*(?P<what>q(?:uestion)?|a(?:nswer)?)\s*\d*\s*[*_]*\s*:[*_]*\s*",
    re.IGNORECASE | re.MULTILINE,
)


class Kind(Protocol):
    """What is wanted of each item."""

    @property
    def texts(self) -> tuple[str, ...]:
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

    def read(self, answer: str) -> list[Json]:
        """What the answer holds; empty where it holds nothing of the kind."""

    def why_not(self, one: Json, item: Item, limits: Limits) -> str | None:
        """Why one of them is left out; None if it is kept."""

    def fields(self, one: Json, item: Item) -> Json:
        """What a row has of it."""


@dataclass(frozen=True)
class Pairs:
    """Questions that a text answers, with their answers."""

    texts: tuple[str, ...] = ("abstract", "text")
    words: str = 'Begin each question with "Question:" and each answer with "Answer:".'
    alike: float = 0.8

    @property
    def schema(self) -> Json:
        return _list_of("pairs", _object(question={"type": "string"}, answer={"type": "string"}))

    def prompt(self, item: Item, count: int) -> str:
        return (
            f"Read the text below. Write {_times(count, 'question')} that it answers, and answer each in one to three sentences "
            "from the text, with its numbers and names. Each question must be clear without the text.\n\n"
            f"Text: {item.whole}"
        )

    def read(self, answer: str) -> list[Json]:
        """Objects with `question` and `answer`, in JSON or on labelled lines."""
        found = [one for one in _objects(answer) if _text(one.get("question")) and _text(one.get("answer"))]
        if found:
            return [{"question": _text(one["question"]), "answer": _text(one["answer"])} for one in found]
        return list(_labelled(answer))

    def why_not(self, one: Json, item: Item, limits: Limits) -> str | None:
        return why_no_pair(one, item, limits)

    def fields(self, one: Json, item: Item) -> Json:
        return one


@dataclass(frozen=True)
class Phrasings:
    """The same fact in other words."""

    texts: tuple[str, ...] = ("statement", "fact", "text")
    words: str = "Write each on a line of its own, and nothing else."
    alike: float = 1.0

    @property
    def schema(self) -> Json:
        return _list_of("phrasings", {"type": "string"})

    def prompt(self, item: Item, count: int) -> str:
        return (
            f"Rewrite the statement below in {_times(count, 'different way')}. Keep its meaning, and every name, number and code "
            f"as it is written.\n\nStatement: {item.whole}"
        )

    def read(self, answer: str) -> list[Json]:
        """Objects with `text`, from a JSON list of strings or one of each line."""
        for value in _json_values(answer):
            values = value.get("phrasings") if isinstance(value, dict) else value
            if isinstance(values, list) and (texts := [_text(one) for one in values if _text(one)]):
                return [{"text": text} for text in texts]
        lines = (MARK.sub("", line).strip().strip('*"“”').strip() for line in answer.splitlines())
        return [{"text": line} for line in lines if line and not line.endswith(":")]

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


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _json_values(answer: str) -> Iterator[Any]:
    """Every JSON value that begins with { or [ somewhere in the answer, the outermost first; of cut lists what is whole."""
    decoder, at = json.JSONDecoder(), 0
    while (found := re.compile(r"[{\[]").search(answer, at)) is not None:
        try:
            value, at = decoder.raw_decode(answer, found.start())
            yield value
        except (ValueError, RecursionError):
            at = found.end()


def _objects(answer: str) -> Iterator[Json]:
    for value in _json_values(answer):
        listed = value.get("pairs", [value]) if isinstance(value, dict) else value
        yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _labelled(answer: str) -> Iterator[Json]:
    """Pairs of a line `Question:` and the `Answer:` after it, each up to the next label."""
    labels = list(LABEL.finditer(answer))
    ends = [*(label.start() for label in labels[1:]), len(answer)][: len(labels)]
    parts = [
        (label["what"][0].lower(), _text(LABEL.sub("", answer[label.end() : end].strip()).strip("*")))
        for label, end in zip(labels, ends, strict=True)
    ]
    for (first, question), (second, told) in zip(parts, parts[1:], strict=False):
        if (first, second) == ("q", "a") and question and told:
            yield {"question": question, "answer": told}
