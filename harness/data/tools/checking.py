"""One file -> what is in it: formats, bad rows, duplicates, lengths, and evaluation items among its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.overlap.ngrams import WORD, N, shared_ngrams
from harness.data.reading.formats import CHATML, BadRow, row_text
from harness.data.reading.groups import rank
from harness.data.reading.jsonl import lines, trainable
from harness.data.tools.sizes import Sizes, characters, sized

LISTED = 20  # bad rows told one by one


@dataclass(frozen=True)
class Items:
    """A suite's evaluation items by sample id."""

    texts: Mapping[str, str]  # questions with their answers
    wholes: Mapping[str, str]  # what training rows must not contain (see Sample.whole)


@dataclass
class Seen:
    """What one reading of the file found."""

    formats: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    bad_rows: list[str] = field(default_factory=list)  # the first of them, "file:line: reason"
    texts: Counter[str] = field(default_factory=Counter)  # by hash
    ids: Counter[str] = field(default_factory=Counter)
    chars: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


def check(path: Path, suites: Mapping[str, Items], token_counts: Sizes | None, max_length: int) -> dict[str, Any]:
    """All that `harness data check` tells of a file; reads it once, and again where items may be contained whole."""
    seen = Seen()
    names = {f"{suite}: {name}": (suite, name) for suite, items in suites.items() for name in items.texts}
    texts = {told: suites[suite].texts[name] for told, (suite, name) in names.items()}
    wholes = {told: suites[suite].wholes[name] for told, (suite, name) in names.items()}
    # Items and what must not be contained of them are looked for at once, under names of their own.
    shared = shared_ngrams(_read(path, seen, token_counts), {**texts, **{f"{n} whole": t for n, t in wholes.items()}})
    likely = {name: text for name, text in wholes.items() if shared[f"{name} whole"] == 1.0}
    contained = _contained(path, likely)
    return {
        "file": str(path),
        "rows": seen.formats.total() + seen.bad,
        "formats": dict(seen.formats.most_common()),
        "bad": seen.bad,
        "bad_rows": seen.bad_rows,
        "duplicate_texts": sum(count - 1 for count in seen.texts.values()),
        "duplicate_ids": sum(count - 1 for count in seen.ids.values()),
        "chars": _distribution(seen.chars),
        "tokens": _distribution(seen.tokens),
        "max_length": max_length if seen.tokens else None,
        "truncated": sum(count > max_length for count in seen.tokens) / len(seen.tokens) if seen.tokens else None,
        "suites": [
            {
                "suite": suite,
                "items": len(items.texts),
                "touched": sum(shared[f"{suite}: {name}"] > 0 for name in items.texts),
                "contained": sum(f"{suite}: {name}" in contained for name in items.texts),
                "where": [contained[f"{suite}: {name}"] for name in items.texts if f"{suite}: {name}" in contained][:3],
            }
            for suite, items in suites.items()
        ],
    }


def _read(path: Path, seen: Seen, token_counts: Sizes | None) -> Iterator[dict[str, Any]]:
    """The training rows of a file, noting what is seen on the way."""
    for row, text, tokens in sized(_trainable(path, seen), token_counts or characters):
        seen.texts[rank(text)] += 1
        seen.chars.append(len(text))
        if token_counts is not None:
            seen.tokens.append(tokens)
        yield row


def _trainable(path: Path, seen: Seen) -> Iterator[tuple[dict[str, Any], str]]:
    for line in lines(path):
        if isinstance(line.row.get("id"), str | int):
            seen.ids[str(line.row["id"])] += 1
        try:
            row = trainable(line)
        except BadRow as bad:
            seen.bad += 1
            if len(seen.bad_rows) < LISTED:
                seen.bad_rows.append(f"{line.origin}: {bad}")
            continue
        seen.formats[format_of(line.row)] += 1
        yield row, row_text(row)


def format_of(row: Mapping[str, Any]) -> str:
    """The name of a readable row's format, looked for in the order of `training_row`."""
    if "input" in row and "output" in row and not row.keys() & {"messages", "conversations", "instruction", "prompt"}:
        return "KILT"
    if row.keys() & {"messages", "conversations"}:
        return "messages" if "messages" in row else "ShareGPT"
    if row.keys() & {"instruction", "prompt"}:
        return "Alpaca" if "instruction" in row else "prompt/completion"
    return "ChatML" if CHATML.search(row["text"]) else "text"


def _contained(path: Path, items: Mapping[str, str]) -> dict[str, str]:
    """For each item of at least N words that some row contains whole, the first such row."""
    worded = {name: _worded(text) for name, text in items.items() if len(WORD.findall(text)) >= N}
    found: dict[str, str] = {}
    for line in lines(path) if worded else ():
        try:
            text = _worded(row_text(trainable(line)))
        except BadRow:
            continue
        for name in [name for name, item in worded.items() if item in text]:
            found[name] = f"{line.origin} contains {name}"
            del worded[name]
    return found


def _worded(text: str) -> str:
    return f" {' '.join(WORD.findall(text.lower()))} "


def _distribution(sizes: list[int]) -> dict[str, int] | None:
    if not sizes:
        return None
    low, median, high, most = np.quantile(sizes, [0, 0.5, 0.95, 1], method="lower")
    return {"min": int(low), "median": int(median), "p95": int(high), "max": int(most)}
