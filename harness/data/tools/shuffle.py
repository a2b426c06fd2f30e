"""Lines in any order -> each once, in the order of their keys, out of core: spilled by key, sorted bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BUCKET_BYTES = 32 * 2**20  # sorted in memory at once, a few times over
KEYED = np.dtype([("key", "<u8"), ("held_out", "?"), ("bytes", "<u4")])  # of one line in a bucket


class Shuffle:
    """At most `limit` lines by lowest key. Keys are evenly spread 64-bit numbers; equal keys mean equal lines.

    Of lines with the same key the one that sorts first is kept, so that the result depends on the set of lines
    alone. Memory: 8 bytes a line beside one batch and one bucket.
    """

    def __init__(self, folder: Path, limit: int, expected_bytes: int) -> None:
        self.folder, self.limit = folder, limit
        self.bits = max(expected_bytes // BUCKET_BYTES, 1).bit_length()  # buckets: a power of two
        self.keys: list[np.ndarray] = []  # of all lines, for the count of distinct ones
        self.lowest: list[np.ndarray] = []  # keys of spilled lines since the threshold was last drawn
        self.threshold = np.uint64(2**64 - 1)  # no line above it can be among the lowest

    def add(self, keys: np.ndarray, held_out: np.ndarray, lines: pa.Array) -> None:
        """Spill a batch: UInt64 keys (N,), bool (N,) and LargeBinary lines (N,), each with its line end."""
        self.keys.append(keys)
        chosen = np.flatnonzero(keys <= self.threshold)
        chosen = chosen[np.argsort(keys[chosen], kind="stable")]
        chosen = _one_of_each(keys, lines, chosen)
        keys, lines = keys[chosen], lines.take(pa.array(chosen))
        keyed = np.empty(len(chosen), KEYED)
        keyed["key"], keyed["held_out"], keyed["bytes"] = keys, held_out[chosen], np.diff(_offsets(lines))
        buckets = keys >> np.uint64(64 - self.bits)
        edges = np.flatnonzero(np.diff(buckets)) + 1
        for start, stop in zip([0, *edges], [*edges, len(keys)], strict=True):
            if start < stop:
                with self._file(buckets[start], "lines").open("ab") as file:
                    file.write(content(lines[int(start) : int(stop)]))
                with self._file(buckets[start], "keys").open("ab") as file:
                    file.write(keyed[start:stop].tobytes())
        self._draw_threshold(keys)

    def distinct(self) -> int:
        """Different keys among all lines, also among those beyond the limit."""
        if not self.keys:
            return 0
        keys = np.sort(np.concatenate(self.keys))
        return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))

    def in_order(self) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """(held_out, lines) by ascending key, until the limit."""
        left = self.limit
        for bucket in range(2**self.bits):
            if left and self._file(bucket, "keys").exists():
                keyed = np.fromfile(self._file(bucket, "keys"), KEYED)
                offsets = np.concatenate([[0], np.cumsum(keyed["bytes"], dtype=np.int64)])
                spilled = pa.py_buffer(self._file(bucket, "lines").read_bytes())
                lines = pa.LargeBinaryArray.from_buffers(
                    pa.large_binary(), len(keyed), [None, pa.py_buffer(offsets), spilled]
                )
                order = np.argsort(keyed["key"], kind="stable")
                order = _one_of_each(keyed["key"], lines, order)[:left]
                left -= len(order)
                yield keyed["held_out"][order], lines.take(pa.array(order))

    def _draw_threshold(self, keys: np.ndarray) -> None:
        self.lowest.append(keys)
        if sum(map(len, self.lowest)) > 2 * self.limit:
            lowest = np.unique(np.concatenate(self.lowest))[: self.limit]
            self.lowest = [lowest]
            if len(lowest) == self.limit:
                self.threshold = lowest[-1]

    def _file(self, bucket: int, what: str) -> Path:
        return self.folder / f"{bucket:05}.{what}"


def content(lines: pa.Array) -> memoryview:
    """The bytes of all lines, one after the other, without a copy."""
    offsets = _offsets(lines)
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])] if len(lines) else memoryview(b"")


def where(lines: pa.Array, mask: np.ndarray) -> pa.Array:
    """The lines at which the mask is set."""
    return pc.filter(lines, pa.array(mask))


def _offsets(lines: pa.Array) -> np.ndarray:
    return np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]


def _one_of_each(keys: np.ndarray, lines: pa.Array, order: np.ndarray) -> np.ndarray:
    """`order`, in which keys ascend, with one index for each key: that of its smallest line."""
    if not len(order):
        return order
    starts = np.flatnonzero(np.concatenate([[True], np.diff(keys[order]) > 0]))
    if len(starts) == len(order):
        return order
    survivors = order[starts]
    sizes = np.diff(np.concatenate([starts, [len(order)]]))
    for group in np.flatnonzero(sizes > 1):
        same = order[starts[group] : starts[group] + sizes[group]]
        survivors[group] = min(same, key=lambda index: lines[int(index)].as_py())
    return survivors
