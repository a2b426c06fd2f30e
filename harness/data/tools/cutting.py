"""One long text -> pieces of bounded length, cut where a reader would."""

from __future__ import annotations

import re

PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
LINE = re.compile(r"\n")
SENTENCE = re.compile(r"[.!?…。！？][\"'”’)\]]*(?=\s)|[。！？]")
SPACE = re.compile(r"\s")
BOUNDARIES = (PARAGRAPH, LINE, SENTENCE, SPACE)  # best first


def cut(text: str, min_chars: int, max_chars: int) -> list[str]:
    """Pieces of `min_chars` to `max_chars` characters, in order, together all of the text but its space at the cuts.

    A piece ends at the last end of a paragraph that its bounds allow; where there is none, of a line, a sentence,
    a word; and else anywhere. The last piece may be shorter where `max_chars` is below twice `min_chars`.
    """
    text = text.strip()
    pieces, start, end = [], 0, len(text)
    while end - start > max_chars:
        highest = start + max_chars
        if end - min_chars >= start + min_chars:
            highest = min(highest, end - min_chars)  # what is left makes a piece too
        stop = _last_boundary(text, start + min_chars, highest)
        pieces.append(text[start:stop].strip())
        start = stop
        while start < end and text[start].isspace():
            start += 1
    pieces.append(text[start:end].strip())
    return [piece for piece in pieces if piece]


def _last_boundary(text: str, lowest: int, highest: int) -> int:
    for boundary in BOUNDARIES:
        stops = (
            found.end() if boundary is SENTENCE else found.start()
            for found in boundary.finditer(text, lowest, min(highest + 1, len(text)))  # + 1: a space may follow
        )
        within = [stop for stop in stops if stop <= highest]
        if within:
            return within[-1]
    return highest
