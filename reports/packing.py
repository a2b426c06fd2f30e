"""Texts and JSON -> characters that stand in a <script> element as they are, several times smaller.

Texts are split into words, and each word is written as one, two or three bytes, the shorter the more often it
occurs: an end-tagged dense code (Brisaboa et al. 2003), here told by its first byte. Deflate then sees four times
as much text at once. The page reads it back (templates/unpack.js).
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy

WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s")  # with the space before it; nothing is left between two
ONE_BYTE = 160  # first bytes below it are whole codes; 0 ends a text
TWO_BYTES = 240  # from it on, two more bytes follow
SECOND = ONE_BYTE + (TWO_BYTES - ONE_BYTE) * 256  # codes below it take two bytes at most
# Printable ASCII without <, > and &: nothing here can end the element or start another.
ALPHABET = numpy.array([c for c in range(0x21, 0x7F) if chr(c) not in "<>&"], dtype=numpy.uint8)


@dataclass(frozen=True)
class Packed:
    """Deflated bytes as text: pairs of 91 letters for each 13 bits."""

    letters: str
    size: int  # bytes, before the last pair was filled up


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
    if number < ONE_BYTE:
        return bytes([number])
    if number < SECOND:
        high, low = divmod(number - ONE_BYTE, 256)
        return bytes([ONE_BYTE + high, low])
    high, rest = divmod(number - SECOND, 65_536)
    return bytes([TWO_BYTES + high, *divmod(rest, 256)])


def packed(raw: bytes) -> Packed:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = deflate.compress(raw) + deflate.flush()
    bits = numpy.unpackbits(numpy.frombuffer(small, dtype=numpy.uint8))
    bits = numpy.pad(bits, (0, -len(bits) % 13)).reshape(-1, 13).astype(numpy.uint16)
    groups = bits @ (1 << numpy.arange(12, -1, -1, dtype=numpy.uint16))
    letters = ALPHABET[numpy.stack(numpy.divmod(groups, 91), axis=1).ravel()]
    return Packed(letters.tobytes().decode("ascii"), len(small))
