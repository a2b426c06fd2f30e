"""--adaptive: in which order a suite's samples are asked, and after which of them the answers are looked at."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from harness.suite import Sample

LOOKS = 10  # at most, over a whole suite
LEAST_BATCH = 16  # samples: smaller ones would waste the model's time


def in_drawn_order(samples: Sequence[Sample]) -> list[int]:
    """Positions of the samples by the digest of their cluster, or id: the same for every subject, clusters together."""

    def drawn(i: int) -> tuple[str, int]:
        name = samples[i].cluster or samples[i].id
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), i

    return sorted(range(len(samples)), key=drawn)


def batches(samples: Sequence[Sample]) -> list[range]:
    """Runs of positions in the drawn samples, one for each look; no cluster is cut in two."""
    size = max(LEAST_BATCH, math.ceil(len(samples) / LOOKS))
    found, start = [], 0
    while start < len(samples):
        end = min(start + size, len(samples))
        while (
            end < len(samples) and samples[end].cluster is not None and samples[end].cluster == samples[end - 1].cluster
        ):
            end += 1
        found.append(range(start, end))
        start = end
    return found
