"""A model's answer -> what it holds, in whatever form it came: JSON, JSON in a fence, JSON that was cut, lists, labelled lines.

Of an answer that was cut at its length the last line or pair is left out, and of JSON what is not whole. An answer that
begins as JSON is read as nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from harness.files import Json

FENCE = re.compile(r"```[a-z]*\n?", re.IGNORECASE)
OPENS = re.compile(r"[{\[]")
TRIES = 64  # brackets at which JSON is looked for
STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s*[,\]}])')  # a whole string of a list that may be cut
MARK = re.compile(
    r"^\s{0,12}(?:[-*•]\s{1,4}|\(?\d{1,3}[.):]\s{1,4}|(?:rewritten )?(?:phrasing|statement) ?\d{0,3} ?:\s{0,4}){1,4}",
    re.IGNORECASE,
)  # before a line of a list
LABEL = re.compile(
    r"[ \t>#*_-]{0,12}(?:\(?\d{1,3}[.):][ \t]{0,4})?[*_]{0,3}(?P<what>q(?:uestion)?|a(?:nswer)?)[ \t]?\d{0,3}[ \t]?[*_]{0,3}"
    r"[ \t]?:[*_]{0,3}[ \t]{0,4}",
    re.IGNORECASE,
)
BREAK = re.compile(
    r"[ \t]{0,4}(?:#|-{3}|\*{0,2}(?:pair|example) ?\d)", re.IGNORECASE
)  # a line that begins something else


def pairs(answer: str, cut: bool) -> list[Json]:
    """Objects with `question` and `answer`."""
    found = [one for one in _objects(answer) if text_of(one.get("question")) and text_of(one.get("answer"))]
    if found or _begins_as_json(answer):
        return [{"question": text_of(one["question"]), "answer": text_of(one["answer"])} for one in found]
    labelled = list(_labelled(answer))
    return labelled[:-1] if cut else labelled


def texts(answer: str, name: str, cut: bool) -> list[str]:
    """The strings of a list, alone or under that name; else the lines."""
    for value in _json_values(answer):
        values = value.get(name) if isinstance(value, dict) else value
        if isinstance(values, list) and (found := [text for one in values if (text := text_of(_alone(one)))]):
            return found
    if _begins_as_json(answer):
        return [text for one in STRING.findall(answer) if (text := text_of(_string(one)))]
    lines = [MARK.sub("", line).strip().strip('*"“”').strip() for line in answer.splitlines()]
    lines = lines[:-1] if cut else lines
    return [line for line in lines if line and not line.endswith(":") and not line.startswith("```")]


def text_of(value: Any) -> str:
    """A text on one line; empty for what is none."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _begins_as_json(answer: str) -> bool:
    return FENCE.sub("", answer, count=1).lstrip().startswith(("{", "["))


def _json_values(answer: str) -> Iterator[Any]:
    """Every JSON value that begins with { or [ somewhere in the answer, the outermost first; of cut lists what is whole."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(TRIES):
        found = OPENS.search(answer, at)
        if found is None:
            return
        try:
            value, at = decoder.raw_decode(answer, found.start())
        except RecursionError:
            return
        except ValueError:
            at = found.end()
        else:
            yield value


def _objects(answer: str) -> Iterator[Json]:
    for value in _json_values(answer):
        listed = value.get("pairs", [value]) if isinstance(value, dict) else value
        yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _alone(value: Any) -> Any:
    """The one text of an object that holds nothing else."""
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def _string(literal: str) -> Any:
    try:
        return json.loads(literal)
    except ValueError:
        return None


def _labelled(answer: str) -> Iterator[Json]:
    """Pairs of a line `Question:` and the `Answer:` after it; each ends with its paragraph."""
    question, what, words = "", "", list[str]()

    def ended() -> Iterator[Json]:
        nonlocal question
        text = text_of(" ".join(words).strip("* "))
        if what == "a" and question and text:
            yield {"question": question, "answer": text}
        question = text if what == "q" else "" if what == "a" else question

    for line in [*answer.splitlines(), "---"]:
        label, rest = None, line
        while (found := LABEL.match(rest)) is not None:  # a label may stand there twice
            label, rest = found["what"][0].lower(), rest[found.end() :]
        if label is not None or BREAK.match(line) or (not line.strip() and text_of(" ".join(words))):
            yield from ended()
            what, words = label or "", [rest] if label else []
        elif what:
            words.append(line)
