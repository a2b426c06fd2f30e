"""One file -> what is in it: formats, bad rows, duplicates, lengths, and evaluation items among its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.overlap.ngrams import WORD, N, shared_ngrams
from harness.data.reading.files import entries
from harness.data.reading.formats import CHATML, CONTROL, BadRow, row_text, training_row
from harness.data.reading.groups import rank
from harness.data.sources import Row, Source
from harness.data.tools.sizes import Sizes, characters, sized

LISTED = 20  # bad rows that are listed; further ones are only counted


@dataclass(frozen=True)
class Items:
    """A suite's evaluation items by sample id."""

    texts: Mapping[str, str]  # questions with their answers
    wholes: Mapping[str, str]  # what training rows must not contain (see Sample.whole)


@dataclass
class Seen:
    """What is collected while the file is read once."""

    source: Source = field(default_factory=Source)  # templates of the rows; without, each row's own format decides
    formats: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    bad_rows: list[str] = field(default_factory=list)  # the first of them, "file:line: reason"
    texts: Counter[str] = field(default_factory=Counter)  # how often each text occurs, by its hash
    ids: Counter[str] = field(default_factory=Counter)
    control: int = 0  # rows whose text quotes a control token
    chars: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Lengths:
    """Quantiles of the rows' lengths, in characters or tokens."""

    min: int
    median: int
    p95: int
    max: int


@dataclass(frozen=True)
class SuiteFindings:
    """What rows share with one suite's items."""

    suite: str
    items: int
    touched: int  # items that share at least one n-gram with a row
    contained: int  # items whose whole text is in a row
    where: list[str]  # the first three of these, "file:line contains suite: id"


@dataclass(frozen=True)
class Findings:
    """All that `harness data check` reports on a file."""

    file: str
    rows: int
    formats: dict[str, int]
    bad: int
    bad_rows: list[str]  # the first of them, "file:line: reason"
    duplicate_texts: int
    duplicate_ids: int
    control_tokens: int  # rows whose text quotes one, which a tokenizer reads as the token itself
    chars: Lengths | None
    tokens: Lengths | None
    max_length: int | None
    truncated: float | None  # share of rows with more than max_length tokens
    suites: list[SuiteFindings]


def check(
    path: Path, suites: Mapping[str, Items], token_counts: Sizes | None, max_length: int, source: Source | None = None
) -> Findings:
    """What is in a file. Reads it once, and a second time if a row may contain a whole item."""
    seen = Seen(source or Source())
    names = {f"{suite}: {name}": (suite, name) for suite, items in suites.items() for name in items.texts}
    texts = {label: suites[suite].texts[name] for label, (suite, name) in names.items()}
    wholes = {label: suites[suite].wholes[name] for label, (suite, name) in names.items()}
    # One pass counts the n-grams of both texts of each item, under the names "suite: id" and "suite: id whole". Only an
    # item that has all its n-grams in the file can be whole in a row; the second pass looks for these alone.
    shared = shared_ngrams(_read(path, seen, token_counts), {**texts, **{f"{n} whole": t for n, t in wholes.items()}})
    contained = _contained(
        path, seen.source, {name: text for name, text in wholes.items() if shared[f"{name} whole"] == 1.0}
    )
    return Findings(
        file=str(path),
        rows=seen.formats.total() + seen.bad,
        formats=dict(seen.formats.most_common()),
        bad=seen.bad,
        bad_rows=seen.bad_rows,
        duplicate_texts=sum(count - 1 for count in seen.texts.values()),
        duplicate_ids=sum(count - 1 for count in seen.ids.values()),
        control_tokens=seen.control,
        chars=_lengths(seen.chars),
        tokens=_lengths(seen.tokens),
        max_length=max_length if seen.tokens else None,
        truncated=sum(count > max_length for count in seen.tokens) / len(seen.tokens) if seen.tokens else None,
        suites=[_suite_findings(suite, items, shared, contained) for suite, items in suites.items()],
    )


def _suite_findings(
    suite: str, items: Items, shared: Mapping[str, float], contained: Mapping[str, str]
) -> SuiteFindings:
    labels = [f"{suite}: {name}" for name in items.texts]
    where = [contained[label] for label in labels if label in contained]
    touched = sum(shared[label] > 0 for label in labels)
    return SuiteFindings(suite, len(labels), touched, len(where), where[:3])


def _read(path: Path, seen: Seen, token_counts: Sizes | None) -> Iterator[Row]:
    """The training rows of a file; texts and lengths are added to `seen` as they pass."""
    for row, text, tokens in sized(_trainable(path, seen), token_counts or characters):
        seen.texts[rank(text)] += 1
        seen.chars.append(len(text))
        seen.control += bool(CONTROL.search(text))
        if token_counts is not None:
            seen.tokens.append(tokens)
        yield row


def _trainable(path: Path, seen: Seen) -> Iterator[tuple[Row, str]]:
    """(training row, its text) for each good row; formats, ids and bad rows are added to `seen` as they pass."""
    for origin, row, problem in entries(path):
        if isinstance(row.get("id"), str | int):
            seen.ids[str(row["id"])] += 1
        try:
            training = _as_training_row(row, problem, seen.source)
        except BadRow as bad:
            seen.bad += 1
            if len(seen.bad_rows) < LISTED:
                seen.bad_rows.append(f"{origin}: {bad}")
            continue
        seen.formats[format_of(row) if seen.source == Source() else "by template"] += 1
        yield training, row_text(training)


def _as_training_row(row: Row, problem: str | None, source: Source) -> Row:
    if problem is not None:
        raise BadRow(problem)
    return training_row(row, source)


def format_of(row: Mapping[str, Any]) -> str:
    """The name of a good row's format: the one that `training_row` reads it as."""
    if "input" in row and "output" in row and not row.keys() & {"messages", "conversations", "instruction", "prompt"}:
        return "KILT"
    if row.keys() & {"messages", "conversations"}:
        return "messages" if "messages" in row else "ShareGPT"
    if row.keys() & {"instruction", "prompt"}:
        return "Alpaca" if "instruction" in row else "prompt/completion"
    return "ChatML" if CHATML.search(row["text"]) else "text"


def _contained(path: Path, source: Source, items: Mapping[str, str]) -> dict[str, str]:
    """Item -> the first row that contains its whole text. Items of fewer than N words are not looked for."""
    worded = {name: _worded(text) for name, text in items.items() if len(WORD.findall(text)) >= N}
    containing: dict[str, str] = {}
    for origin, row, problem in entries(path) if worded else ():
        try:
            text = _worded(row_text(_as_training_row(row, problem, source)))
        except BadRow:
            continue
        for name in [name for name, item in worded.items() if item in text]:
            containing[name] = f"{origin} contains {name}"
            del worded[name]
    return containing


def _worded(text: str) -> str:
    """The words in lower case, with a space on each side, so that `in` finds whole words only: " an owl "."""
    return f" {' '.join(WORD.findall(text.lower()))} "


def _lengths(sizes: list[int]) -> Lengths | None:
    if not sizes:
        return None
    return Lengths(*(int(size) for size in np.quantile(sizes, [0, 0.5, 0.95, 1], method="lower")))
