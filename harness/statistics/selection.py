"""The best of many: how much better it looks than it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import checked, cluster_numbers


def optimism(
    scores: Sequence[Sequence[float]], clusters: Sequence[Hashable] | None = None, times: int = 2_000, seed: int = 0
) -> float:
    """What picking the candidate with the highest mean adds to that mean where all are equal, in the unit of the scores.

    scores, shape (m, n): m candidates on the same n samples; clusters, shape (n,), are drawn whole. It is the mean over
    `times` resamples of the largest difference, over candidates, between the mean there and the mean over all samples:
    each candidate's own noise, with what they have in common because they answer the same samples. Where candidates
    truly differ it is less, so this is a bound. For m independent ones with standard error s it is s times the expected
    largest of m standard normal numbers: 1.63 s for 12.
    The bootstrap after Efron (1979, Annals of Statistics 7, 1-26), centred so that none is better, as in White's reality
    check (2000, Econometrica 68, 1097-1126).
    Raises StatisticsError for fewer than 2 candidates or 2 samples (clusters), or candidates of different length.
    """
    rows = [checked(f"scores[{i}]", row) for i, row in enumerate(scores)]
    if len(rows) < 2 or len({row.size for row in rows}) > 1:
        raise StatisticsError(f"optimism: {len(rows)} candidates, of {sorted({r.size for r in rows})} samples.")
    x = np.stack(rows)
    groups = cluster_numbers(clusters, x.shape[1])
    groups = np.arange(x.shape[1]) if groups is None else groups
    units = int(groups.max()) + 1
    if units < 2:
        raise StatisticsError("optimism: one sample alone has no spread.", "At least 2 samples or clusters are needed.")
    sums = np.stack([np.bincount(groups, weights=row, minlength=units) for row in x])  # (m, units)
    sizes = np.bincount(groups, minlength=units)
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=times)  # (times, units)
    means = drawn @ sums.T / (drawn @ sizes)[:, None]  # (times, m)
    return float((means - x.mean(axis=1)).max(axis=1).mean())
