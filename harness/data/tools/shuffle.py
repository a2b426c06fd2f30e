"""Lines in any order -> each once, in the order of their keys, though they do not all fit into memory.

Lines are first written into buckets by the highest bits of their keys: with two bits, keys 00... go into bucket 0, keys
01... into bucket 1, and so on. Then one bucket after the other is read and sorted. As all keys of a bucket are below
those of the next, the buckets' lines in sequence are the whole order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BUCKET_BYTES = 32 * 2**20  # of lines in a bucket; sorting it holds a few copies in memory
KEYED = np.dtype([("key", "<u8"), ("held_out", "?"), ("bytes", "<u4")])  # of one line in a bucket; bytes: its length


class Shuffle:
    """The lines with the lowest keys, at most `limit`. Keys are evenly spread 64-bit numbers, as hashes are.

    Lines with the same key are duplicates. The one that sorts first as bytes is kept, so that the result does not
    depend on the order in which lines are added. Memory: 8 bytes a line, beside one batch and one bucket.
    """

    def __init__(self, folder: Path, limit: int, expected_bytes: int) -> None:
        self.folder, self.limit = folder, limit
        self.bits = max(expected_bytes // BUCKET_BYTES, 1).bit_length()  # of 2**bits buckets, BUCKET_BYTES at most
        self.keys: list[np.ndarray] = []  # of all lines, to count the distinct ones
        self.lowest: list[np.ndarray] = []  # keys of spilled lines since the threshold was last drawn
        self.threshold = np.uint64(2**64 - 1)  # lines with higher keys are not among the `limit` lowest

    def add(self, keys: np.ndarray, held_out: np.ndarray, lines: pa.Array) -> None:
        """Write a batch into the buckets: uint64 keys (N,), bool (N,), LargeBinary lines (N,) with their line ends."""
        self.keys.append(keys)
        chosen = np.flatnonzero(keys <= self.threshold)
        chosen = chosen[np.argsort(keys[chosen], kind="stable")]
        chosen = _one_of_each(keys, lines, chosen)
        keys, lines = keys[chosen], lines.take(pa.array(chosen))
        keyed = np.empty(len(chosen), KEYED)
        keyed["key"], keyed["held_out"], keyed["bytes"] = keys, held_out[chosen], np.diff(_offsets(lines))
        buckets = keys >> np.uint64(64 - self.bits)  # ascending, since the keys are
        edges = np.flatnonzero(np.diff(buckets)) + 1  # where the next bucket begins
        for start, stop in zip([0, *edges], [*edges, len(keys)], strict=True):
            if start < stop:
                with self._file(buckets[start], "lines").open("ab") as file:
                    file.write(content(lines[int(start) : int(stop)]))
                with self._file(buckets[start], "keys").open("ab") as file:
                    file.write(keyed[start:stop].tobytes())
        self._draw_threshold(keys)

    def distinct(self) -> int:
        """Number of different keys among all lines added, also those beyond the limit."""
        if not self.keys:
            return 0
        keys = np.sort(np.concatenate(self.keys))
        return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))

    def in_order(self) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """held_out (n,) and lines (n,) of each bucket in turn, by ascending key, until `limit` lines have come."""
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
        """Lower the threshold to the `limit`-th lowest distinct key so far, each time 2 * limit keys have come."""
        self.lowest.append(keys)
        if sum(map(len, self.lowest)) > 2 * self.limit:
            lowest = np.unique(np.concatenate(self.lowest))[: self.limit]
            self.lowest = [lowest]
            if len(lowest) == self.limit:
                self.threshold = lowest[-1]

    def _file(self, bucket: int, what: str) -> Path:
        return self.folder / f"{bucket:05}.{what}"


def content(lines: pa.Array) -> memoryview:
    """The bytes of all lines in sequence, without a copy."""
    offsets = _offsets(lines)
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])] if len(lines) else memoryview(b"")


def where(lines: pa.Array, mask: np.ndarray) -> pa.Array:
    """The lines at which the mask is set."""
    return pc.filter(lines, pa.array(mask))


def _offsets(lines: pa.Array) -> np.ndarray:
    """Where lines (N,) begin and end in the array's buffer of bytes: (N + 1,), line i from offset i to i + 1."""
    return np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]


def _one_of_each(keys: np.ndarray, lines: pa.Array, order: np.ndarray) -> np.ndarray:
    """The indexes in `order`, along which keys ascend, but only one for each key: that of its smallest line."""
    if not len(order):
        return order
    starts = np.flatnonzero(np.concatenate([[True], np.diff(keys[order]) > 0]))  # of each run of equal keys
    if len(starts) == len(order):
        return order
    survivors = order[starts]
    sizes = np.diff(np.concatenate([starts, [len(order)]]))
    for group in np.flatnonzero(sizes > 1):
        same = order[starts[group] : starts[group] + sizes[group]]
        survivors[group] = min(same, key=lambda index: lines[int(index)].as_py())
    return survivors
