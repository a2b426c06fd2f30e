"""Lines put in the order of their keys, on disk where they do not fit into memory."""

import numpy as np
import pyarrow as pa

from harness.data.tools.shuffle import Shuffle


def test_lines_spilled_in_many_buckets_come_back_in_order(tmp_path):
    generator = np.random.default_rng(0)
    keys = generator.integers(0, 2**64, 5000, dtype=np.uint64)
    keys[:500] = keys[500:1000]  # the same lines again
    lines = [b"%020d\n" % key for key in keys]
    for limit in (100, 4500, 10_000):
        folder = tmp_path / str(limit)
        folder.mkdir()
        shuffle = Shuffle(folder, limit, expected_bytes=32 * 2**20 * 60)
        for start in range(0, 5000, 300):
            part = slice(start, start + 300)
            shuffle.add(keys[part], keys[part] % 2 == 1, pa.array(lines[part], pa.large_binary()))
        found = [line for _, batch in shuffle.in_order() for line in batch.to_pylist()]
        assert found == sorted(set(lines))[:limit]
        assert shuffle.distinct() == 4500
