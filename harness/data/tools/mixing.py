"""Several files -> one, by share of characters or tokens: whole rows, interleaved by a seeded hash.

Rows stay in their files: what is held of each is its size, its place and its hash.
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
    """What came of one file in a mix."""

    file: str
    rows: int
    rows_of: int  # in the file
    size: int  # characters or tokens
    asked: float  # share of the mix
    share: float  # share reached


@dataclass
class SizedRows:
    """A part's rows, in the file's order."""

    offsets: np.ndarray  # bytes before each line
    sizes: np.ndarray  # characters or tokens
    ranks: np.ndarray  # seeded hash of the text


def parts_of(given: Sequence[str]) -> list[Part]:
    """`FILE:SHARE` each; DataError where shares do not sum to 1, or a file comes twice."""
    parts = []
    for one in given:
        name, _, share = one.rpartition(":")
        try:
            parts.append(Part(Path(name), float(share)))
        except ValueError:
            raise DataError(f"{one}: no share is given.", "Write FILE:SHARE, such as facts.jsonl:0.5.") from None
        if not name or not 0 < parts[-1].share <= 1:
            raise DataError(f"{one}: share {share} is not above 0 and at most 1.", "Leave out files of no share.")
    total = sum(part.share for part in parts)
    if abs(total - 1) > 1e-6:
        raise DataError(f"shares {', '.join(f'{part.share:g}' for part in parts)} sum to {total:g}, not 1.")
    files = [part.path.resolve() for part in parts]
    for path in files:
        if files.count(path) > 1:
            raise DataError(f"{path.name} is given twice.", "Give it once, with the sum of its shares.")
    return parts


def mix(parts: Sequence[Part], output: Path, sizes: Sizes, seed: int = 0, rows: int | None = None) -> list[MixedPart]:
    """Write the mix; what came of each part.

    The file that is scarcest for its share sets the total; `rows` is the number of rows wanted of that.
    """
    if rows is not None and rows < len(parts):
        raise DataError(f"--rows {rows}: {len(parts)} files give at least one row each.", "Ask for more rows.")
    if output.resolve() in [part.path.resolve() for part in parts]:
        raise DataError(f"{output} is one of the files to be mixed.", "Name another --output.")
    measured = [_measured(part.path, sizes, seed) for part in parts]
    chosen = _within_shares(measured, [part.share for part in parts], rows)
    order = sorted(
        (int(one.ranks[row]), number, int(one.offsets[row]))
        for number, (one, picked) in enumerate(zip(measured, chosen, strict=True))
        for row in picked
    )
    with moved_into(output.parent) as work, ExitStack() as opened, (work / output.name).open("wb") as file:
        sources = [opened.enter_context(part.path.open("rb")) for part in parts]
        names = _names([part.path for part in parts])
        for _, number, offset in order:
            sources[number].seek(offset)
            file.write(_with_source(sources[number].readline(), names[number]))
    totals = [int(one.sizes[picked].sum()) for one, picked in zip(measured, chosen, strict=True)]
    return [
        MixedPart(str(part.path), len(picked), len(one.sizes), size, part.share, size / sum(totals))
        for part, one, picked, size in zip(parts, measured, chosen, totals, strict=True)
    ]


def _measured(path: Path, sizes: Sizes, seed: int) -> SizedRows:
    offsets, found, ranks = [], [], []
    texts = ((line, row_text(checked(line))) for line in lines(path))
    for line, text, size in sized(texts, sizes):
        if not size:
            raise DataError(f"{line.origin}: the tokenizer makes no token of the row's text.", "Remove the row.")
        offsets.append(line.offset)
        found.append(size)
        ranks.append(_rank(seed, text))
    return SizedRows(np.array(offsets, np.int64), np.array(found, np.int64), np.array(ranks, np.uint64))


def _within_shares(measured: list[SizedRows], shares: list[float], rows: int | None) -> list[np.ndarray]:
    """Row numbers of each part: by rank, as many as its share of the total holds, and at least one."""
    total = min(one.sizes.sum() / share for one, share in zip(measured, shares, strict=True))
    picked, ends = [], []
    for one, share in zip(measured, shares, strict=True):
        by_rank = np.lexsort((one.offsets, one.ranks))
        end = np.cumsum(one.sizes[by_rank]) / share  # the total at which the row is within its share
        count = max(int(np.count_nonzero(end <= total * (1 + 1e-12))), 1)
        picked.append(by_rank[:count])
        ends.append(end[:count])
    if rows is None:
        return picked
    available = sum(map(len, picked))
    if rows > available:
        raise DataError(
            f"--rows {rows}: the mix has {available:,} rows in these shares.", "Ask for that many or fewer."
        )
    last = np.sort(np.concatenate([end[1:] for end in ends]))  # each part keeps its first row
    limit = last[rows - len(ends) - 1] if rows > len(ends) else 0.0
    return [by_rank[: max(int(np.count_nonzero(end <= limit)), 1)] for by_rank, end in zip(picked, ends, strict=True)]


def _rank(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=8).digest(), "big")


def _names(paths: list[Path]) -> list[str]:
    """File stems, with the folder before those that occur twice."""
    stems = [path.stem for path in paths]
    return [path.stem if stems.count(path.stem) == 1 else f"{path.resolve().parent.name}/{path.stem}" for path in paths]


def _with_source(raw: bytes, name: str) -> bytes:
    row = json.loads(raw.decode("utf-8-sig"))
    if row.get("source") is None:
        return json.dumps({**row, "source": name}, ensure_ascii=False).encode() + b"\n"
    return raw if raw.endswith(b"\n") else raw + b"\n"
