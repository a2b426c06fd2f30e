"""Texts and JSON -> characters that need no escaping in a <script> element, several times smaller.

Texts are split into words, and each word is written as one to four bytes, frequent words with fewer (a dense code
after Brisaboa et al. 2003; the first byte gives the length). Deflate's window then covers several times as much
text. The page reads it back (templates/unpack.js).
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy

WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s")  # a word with the space before it; together they cover the whole text
FIRST_BYTES = (0, 160, 240, 248, 256)  # a code of n bytes has a first byte in FIRST_BYTES[n - 1] .. FIRST_BYTES[n] - 1
# Printable ASCII without <, > and &: nothing here can end the element or start another.
ALPHABET = numpy.array([c for c in range(0x21, 0x7F) if chr(c) not in "<>&"], dtype=numpy.uint8)


@dataclass(frozen=True)
class Packed:
    """Deflated bytes as text: pairs of 91 letters for each 13 bits."""

    letters: str
    size: int  # bytes, without the padding of the last pair


def coded(texts: Iterable[str]) -> tuple[list[str], bytes]:
    """The words that occur, most frequent first, and the texts as codes of these, each ended by a zero."""
    split = [WORD.findall(text) for text in texts]
    counted: Counter[str] = Counter()
    for found in split:
        counted.update(found)
    words = [word for word, _ in counted.most_common()]
    codes = {word: _code(place) for place, word in enumerate(words, start=1)}
    return words, b"".join(b"".join([codes[word] for word in found]) + b"\0" for found in split)


def _code(number: int) -> bytes:
    """The code of the n-th most frequent word, counted from 1: a lone 0 ends a text."""
    for more, (first, end) in enumerate(pairwise(FIRST_BYTES)):
        codes = (end - first) * 256**more
        if number < codes:
            return (first * 256**more + number).to_bytes(1 + more, "big")
        number -= codes
    raise OverflowError("more words than four bytes can name")


def packed(raw: bytes) -> Packed:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = deflate.compress(raw) + deflate.flush()
    bits = numpy.unpackbits(numpy.frombuffer(small, dtype=numpy.uint8))
    filled = numpy.pad(bits, (0, -len(bits) % 13)).reshape(-1, 13).astype(numpy.uint16)
    groups = filled @ (1 << numpy.arange(12, -1, -1, dtype=numpy.uint16))
    letters = ALPHABET[numpy.stack(numpy.divmod(groups, 91), axis=1).ravel()]
    return Packed(letters.tobytes().decode("ascii"), len(small))
