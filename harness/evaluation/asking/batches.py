"""--adaptive: the order in which a suite's samples are asked, and the batches after which results are looked at."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from harness.suite import Sample

LOOKS = 10  # at most, in a whole suite
LEAST_BATCH = 16  # samples; with fewer the model would compute inefficiently


def in_drawn_order(samples: Sequence[Sample]) -> list[int]:
    """Positions of the samples, sorted by the digest of cluster or id: the same for all subjects, clusters together."""

    def drawn(i: int) -> tuple[str, int]:
        name = samples[i].cluster or samples[i].id
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), i

    return sorted(range(len(samples)), key=drawn)


def batches(samples: Sequence[Sample]) -> list[range]:
    """Ranges of positions in samples that are in drawn order, one for each look. No cluster is divided."""
    size = max(LEAST_BATCH, math.ceil(len(samples) / LOOKS))
    ranges, start = [], 0
    while start < len(samples):
        end = min(start + size, len(samples))
        while (
            end < len(samples) and samples[end].cluster is not None and samples[end].cluster == samples[end - 1].cluster
        ):
            end += 1
        ranges.append(range(start, end))
        start = end
    return ranges
