"""Training rows that contain a whole evaluation item: an error, found before training starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.data.formats import row_text
from harness.errors import DataError

N = 8  # words; an item shorter than this says too little to be recognized
WORD = re.compile(r"\w+")


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
