"""Training rows against evaluation items: whole items are an error, shared n-grams are measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.data.reading.formats import row_text
from harness.errors import DataError

N = 8  # words; an item shorter than this says too little to be recognized
WORD = re.compile(r"\w+")


def shared_ngrams(rows: Iterable[Mapping[str, Any]], items: Mapping[str, str], n: int = N) -> dict[str, float]:
    """For each item the share of its word n-grams that occur in some row, whatever their case and punctuation.

    As Brown et al. 2020 (arXiv:2005.14165, appendix C) look for contamination, with n = 8 words. An item of
    fewer than n words is one n-gram of its own length; one without words shares nothing. Memory grows with
    the items, not with the rows.
    """
    wanted: dict[int, dict[tuple[str, ...], bool]] = {}
    grams_of: dict[str, list[tuple[str, ...]]] = {}
    for name, text in items.items():
        words = _words(text)
        size = min(n, len(words))
        grams_of[name] = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)] if size else []
        wanted.setdefault(size, {}).update(dict.fromkeys(grams_of[name], False))
    wanted.pop(0, None)
    for row in rows:
        words = _words(row_text(row))
        for size, grams in wanted.items():
            for i in range(len(words) - size + 1):
                gram = tuple(words[i : i + size])
                if gram in grams:
                    grams[gram] = True
    return {
        name: sum(wanted[len(gram)][gram] for gram in grams) / len(grams) if grams else 0.0
        for name, grams in grams_of.items()
    }


def check_contained(rows: Iterable[Mapping[str, Any]], items: Mapping[str, str], who: str) -> None:
    """Raise DataError where a row contains the whole text of an item, whatever its case and punctuation.

    `items` maps "suite: sample id" to text.
    """
    by_start: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for name, text in items.items():
        words = _words(text)
        if len(words) >= N:
            by_start.setdefault(tuple(words[:N]), []).append((name, words))
    if not by_start:
        return
    found = []
    for row in rows:
        words = _words(row_text(row))
        for i in range(len(words) - N + 1):
            for name, item in by_start.get(tuple(words[i : i + N]), ()):
                if words[i : i + len(item)] == item:
                    found.append(f"{row['origin']} contains {name}")
    if found:
        more = f", and {len(found) - 3} more" if len(found) > 3 else ""
        raise DataError(
            f"{who}: training rows contain whole evaluation items: {'; '.join(found[:3])}{more}.",
            "Leave those rows out of training, or those items out of the suite.",
        )


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
