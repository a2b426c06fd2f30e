"""Which samples are asked first: those of --limit, and the batches after which --adaptive looks at the results."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.suite import Sample, drawn_order

LOOKS = 10  # at most, in a whole suite
LEAST_BATCH = 16  # samples; with fewer the model would compute inefficiently


def in_drawn_order(samples: Sequence[Sample]) -> list[int]:
    """Positions of the samples, drawn by cluster or id: the same for all subjects, clusters together."""
    return drawn_order([sample.cluster or sample.id for sample in samples])


def first_drawn(samples: Sequence[Sample], limit: int | None) -> list[int]:
    """Positions of as many samples as the limit allows, the first of the draw, in the suite's order."""
    if limit is None:
        return list(range(len(samples)))
    return sorted(in_drawn_order(samples)[:limit])


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
