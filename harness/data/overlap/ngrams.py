"""Training rows against evaluation items: a whole item in a row is an error, shared n-grams are measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.data.reading.formats import row_text
from harness.errors import DataError

N = 8  # words; a shorter text may occur in a row by chance
WORD = re.compile(r"\w+")


def shared_ngrams(rows: Iterable[Mapping[str, Any]], items: Mapping[str, str], n: int = N) -> dict[str, float]:
    """For each item the share, in [0, 1], of its word n-grams that occur in any row. Case and punctuation do not count.

    With n = 3 the item "the old cat sleeps" has two n-grams. A row "See the old cat!" has the first of them: 0.5.
    An item of fewer than n words is a single n-gram of its own length; an item without words gets 0.0.

    Brown et al. 2020 (arXiv:2005.14165, appendix C) look for contamination so, here with n = 8 words. Memory grows with
    the items, not with the rows.
    """
    wanted: dict[int, dict[tuple[str, ...], bool]] = {}  # words in an n-gram -> n-gram -> whether some row has it
    grams_of: dict[str, list[tuple[str, ...]]] = {}  # item -> its n-grams, all of one size
    for name, text in items.items():
        words = _words(text)
        size = min(n, len(words))
        grams_of[name] = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)] if size else []
        wanted.setdefault(size, {}).update(dict.fromkeys(grams_of[name], False))
    wanted.pop(0, None)  # of items without words
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
    """Raise DataError if a row contains the whole text of an item, whatever its case and punctuation.

    `items` maps "suite: sample id" to text. Items of fewer than N words are not looked for.
    """
    by_start: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}  # first N words -> items that begin so
    for name, text in items.items():
        words = _words(text)
        if len(words) >= N:
            by_start.setdefault(tuple(words[:N]), []).append((name, words))
    if not by_start:
        return
    contained = []
    for row in rows:
        words = _words(row_text(row))
        for i in range(len(words) - N + 1):
            for name, item in by_start.get(tuple(words[i : i + N]), ()):
                if words[i : i + len(item)] == item:
                    contained.append(f"{row['origin']} contains {name}")
    if contained:
        more = f", and {len(contained) - 3} more" if len(contained) > 3 else ""
        raise DataError(
            f"{who}: its rows contain whole evaluation items: {'; '.join(contained[:3])}{more}.",
            "Leave out those rows, or those items of the suite.",
        )


def _words(text: str) -> list[str]:
    """The words in lower case, without punctuation."""
    return WORD.findall(text.lower())
