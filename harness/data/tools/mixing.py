"""Several files -> one, by share of characters or tokens: whole rows, interleaved by a seeded hash.

Rows are not held in memory, only the size, byte offset and hash of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.reading.formats import row_text
from harness.data.reading.lines import checked, lines
from harness.data.tools.sizes import Sizes, sized
from harness.errors import DataError
from harness.files import moved_into


class Part(NamedTuple):
    """A file and its share of the mix."""

    path: Path
    share: float


@dataclass(frozen=True)
class MixedPart:
    """How much of one file is in a mix."""

    file: str
    rows: int
    rows_of: int  # rows in the file
    size: int  # characters or tokens
    asked: float  # share of the mix that was asked for
    share: float  # share of the mix that whole rows come to


@dataclass
class SizedRows:
    """A part's N rows in the file's order, as three arrays (N,)."""

    offsets: np.ndarray  # bytes before each line
    sizes: np.ndarray  # characters or tokens
    ranks: np.ndarray  # 64-bit hash of seed and text


def parts_of(given: Sequence[str]) -> list[Part]:
    """The parts, each given as `FILE:SHARE`. Raises DataError if shares do not sum to 1, or a file is given twice."""
    parts = []
    for argument in given:
        name, _, share = argument.rpartition(":")
        try:
            parts.append(Part(Path(name), float(share)))
        except ValueError:
            raise DataError(f"{argument}: no share is given.", "Write FILE:SHARE, such as facts.jsonl:0.5.") from None
        if not name or not 0 < parts[-1].share <= 1:
            raise DataError(f"{argument}: share {share} is not above 0 and at most 1.", "Leave out files of no share.")
    total = sum(part.share for part in parts)
    if abs(total - 1) > 1e-6:
        raise DataError(f"shares {', '.join(f'{part.share:g}' for part in parts)} sum to {total:g}, not 1.")
    files = [part.path.resolve() for part in parts]
    for path in files:
        if files.count(path) > 1:
            raise DataError(f"{path.name} is given twice.", "Give it once, with the sum of its shares.")
    return parts


def mix(parts: Sequence[Part], output: Path, sizes: Sizes, seed: int = 0, rows: int | None = None) -> list[MixedPart]:
    """Write the mix to `output`; for each part, how much of it is in the mix.

    The mix is as large as the file that is scarcest for its share allows. `rows` asks for a smaller one: every part
    then stops early, in the same shares.
    """
    if rows is not None and rows < len(parts):
        raise DataError(f"--rows {rows}: {len(parts)} files give at least one row each.", "Ask for more rows.")
    if output.resolve() in [part.path.resolve() for part in parts]:
        raise DataError(f"{output} is one of the files to be mixed.", "Name another --output.")
    measured = [_measured(part.path, sizes, seed) for part in parts]
    chosen = _within_shares(measured, [part.share for part in parts], rows)
    order = sorted(
        (int(part_rows.ranks[row]), number, int(part_rows.offsets[row]))
        for number, (part_rows, picked) in enumerate(zip(measured, chosen, strict=True))
        for row in picked
    )
    with moved_into(output.parent) as work, ExitStack() as opened, (work / output.name).open("wb") as file:
        sources = [opened.enter_context(part.path.open("rb")) for part in parts]
        names = _names([part.path for part in parts])
        for _, number, offset in order:
            sources[number].seek(offset)
            file.write(_with_source(sources[number].readline(), names[number]))
    totals = [int(part_rows.sizes[picked].sum()) for part_rows, picked in zip(measured, chosen, strict=True)]
    return [
        MixedPart(str(part.path), len(picked), len(part_rows.sizes), size, part.share, size / sum(totals))
        for part, part_rows, picked, size in zip(parts, measured, chosen, totals, strict=True)
    ]


def _measured(path: Path, sizes: Sizes, seed: int) -> SizedRows:
    """Offset, size and rank of each row of a file. Raises DataError at a bad row, or one of size 0."""
    offsets, row_sizes, ranks = [], [], []
    texts = ((line, row_text(checked(line))) for line in lines(path))
    for line, text, size in sized(texts, sizes):
        if not size:
            raise DataError(f"{line.origin}: the tokenizer makes no token of the row's text.", "Remove the row.")
        offsets.append(line.offset)
        row_sizes.append(size)
        ranks.append(_rank(seed, text))
    return SizedRows(np.array(offsets, np.int64), np.array(row_sizes, np.int64), np.array(ranks, np.uint64))


def _within_shares(measured: list[SizedRows], shares: list[float], rows: int | None) -> list[np.ndarray]:
    """The row numbers taken of each part: its first rows by rank that fit its share of the total, at least one.

    Files of 600 and 1,000 characters with shares of 0.5 allow a total of min(600 / 0.5, 1,000 / 0.5) = 1,200. A row
    fits once the total has reached `end` = (sizes of the part's rows up to and with this one) / share: in the second
    file, the row that brings its sum to 500 fits from a total of 1,000 on. With `rows`, exactly that many are taken, in
    the order in which they fit; of rows that fit at the same total, those of earlier files first.
    """
    total = min(part.sizes.sum() / share for part, share in zip(measured, shares, strict=True))
    picked, ends = [], []
    for part, share in zip(measured, shares, strict=True):
        by_rank = np.lexsort((part.offsets, part.ranks))  # by rank, and by offset where texts are the same
        end = np.cumsum(part.sizes[by_rank]) / share
        count = max(int(np.count_nonzero(end <= total * (1 + 1e-12))), 1)  # 1e-12: the division may round up
        picked.append(by_rank[:count])
        ends.append(end[:count])
    if rows is None:
        return picked
    available = sum(map(len, picked))
    if rows > available:
        raise DataError(
            f"--rows {rows}: the mix has {available:,} rows in these shares.", "Ask for that many or fewer."
        )
    later = np.concatenate([end[1:] for end in ends])  # [1:], as each part keeps its first row at any total
    whose = np.repeat(np.arange(len(ends)), [len(end) - 1 for end in ends])
    first = np.lexsort((whose, later))[: rows - len(ends)]
    counts = 1 + np.bincount(whose[first], minlength=len(ends))
    return [by_rank[:count] for by_rank, count in zip(picked, counts, strict=True)]


def _rank(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=8).digest(), "big")


def _names(paths: list[Path]) -> list[str]:
    """The files' stems; those that occur twice with their folder before them."""
    stems = [path.stem for path in paths]
    return [path.stem if stems.count(path.stem) == 1 else f"{path.resolve().parent.name}/{path.stem}" for path in paths]


def _with_source(raw: bytes, name: str) -> bytes:
    """The row's line, with `source` added if it has none."""
    row = json.loads(raw.decode("utf-8-sig"))
    if row.get("source") is None:
        return json.dumps({**row, "source": name}, ensure_ascii=False).encode() + b"\n"
    return raw if raw.endswith(b"\n") else raw + b"\n"
