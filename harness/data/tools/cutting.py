"""One long text -> pieces of bounded length, cut where a reader would pause."""

from __future__ import annotations

import re

PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
LINE = re.compile(r"\n")
SENTENCE = re.compile(r"[.!?…。！？][\"'”’)\]]*(?=\s)|[。！？]")
SPACE = re.compile(r"\s")
BOUNDARIES = (PARAGRAPH, LINE, SENTENCE, SPACE)  # best first


def cut(text: str, min_chars: int, max_chars: int) -> list[str]:
    """The text as pieces of `min_chars` to `max_chars` characters, in order; only whitespace at the cuts is dropped.

    A piece ends at the last end of a paragraph within its bounds; if there is none, at the last end of a line, then of
    a sentence, then of a word; and else at its upper bound. Lengths count before whitespace at the ends is stripped.

    A cut leaves at least `min_chars` for what follows. With bounds of 200 and 1,600, a text of 1,700 characters is cut
    somewhere from 200 to 1,500: a cut at 1,600 would leave 100. The last piece may be shorter than `min_chars` if
    `max_chars` is below twice `min_chars`.
    """
    text = text.strip()
    pieces, start, end = [], 0, len(text)
    while end - start > max_chars:
        highest = start + max_chars
        if end - min_chars >= start + min_chars:
            highest = min(highest, end - min_chars)  # so that the rest is long enough for a piece
        stop = _last_boundary(text, start + min_chars, highest)
        pieces.append(text[start:stop].strip())
        start = stop
        while start < end and text[start].isspace():
            start += 1
    pieces.append(text[start:end].strip())
    return [piece for piece in pieces if piece]


def _last_boundary(text: str, lowest: int, highest: int) -> int:
    """Where a piece ends: at the last boundary of the best kind from lowest to highest; at highest if there is none."""
    for boundary in BOUNDARIES:
        # A sentence keeps its full stop; the other boundaries are whitespace, before which the piece ends. One more
        # character is searched, because a full stop counts only if whitespace follows.
        stops = (
            match.end() if boundary is SENTENCE else match.start()
            for match in boundary.finditer(text, lowest, min(highest + 1, len(text)))
        )
        within = [stop for stop in stops if stop <= highest]
        if within:
            return within[-1]
    return highest
