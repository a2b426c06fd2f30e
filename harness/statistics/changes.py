"""Scores of one subject, measured again and again on the same samples: where they changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import checked, cluster_numbers, error_rate

ENOUGH = 100  # permutations with as large a statistic, after which no more are drawn: of 999, p is then above 0.1


@dataclass(frozen=True)
class Change:
    """One point at which the mean changed."""

    place: int  # of the first measurement after it, counted from 0
    p_value: float


def change_points(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    times: int = 999,
    seed: int = 0,
) -> list[Change]:
    """The points at which the mean score changed, in order; empty where chance explains everything.

    scores, shape (T, n): T measurements, oldest first, of the same n samples; clusters, shape (n,), are kept whole. For
    every point the mean of all measurements after it is compared with the mean of all before it, sample by sample, as
    a studentized difference; the largest over all points is the statistic (the scan of Sen and Srivastava 1975,
    Annals of Statistics 3, 98-108). Its p-value comes from `times` permutations: were no measurement different, a
    sample's (cluster's) scores would be as likely in any order of time, each sample's independently of the others'. So
    it is exact for any number of points and any distribution of scores, at `level` for one history. What lies before
    and after a change found is searched again (binary segmentation, Vostrikova 1981).

    It says that a checkpoint's score over such samples changed, not why: training with another seed changes it too.
    Raises StatisticsError for fewer than 2 samples (clusters) or measurements of different length.
    """
    rows = [checked(f"scores[{i}]", row) for i, row in enumerate(scores)]
    if len({row.size for row in rows}) > 1:
        raise StatisticsError(f"change_points: measurements of {sorted({row.size for row in rows})} samples differ.")
    if len(rows) < 2:
        return []
    x = np.stack(rows)
    groups = cluster_numbers(clusters, x.shape[1])
    if groups is not None:
        x = np.stack([np.bincount(groups, weights=row) for row in x])
    if x.shape[1] < 2:
        raise StatisticsError("change_points: one sample alone has no spread.", "At least 2 samples are needed.")
    generator = np.random.default_rng(seed)
    found: list[Change] = []
    stretches = [(0, len(x))]
    while stretches:
        start, end = stretches.pop()
        change = _largest(x[start:end], times, generator) if end - start > 1 else None
        if change is not None and change.p_value <= error_rate(level):
            place = start + change.place
            found.append(Change(place, change.p_value))
            stretches += [(start, place), (place, end)]
    return sorted(found, key=lambda one: one.place)


def _largest(x: np.ndarray, times: int, generator: np.random.Generator) -> Change | None:
    """The point with the largest studentized difference in x, shape (T, units); None where nothing differs."""
    x = x[:, np.ptp(x, axis=0) > 1e-12 * max(1.0, float(np.abs(x).max()))]  # other units differ in no order of time
    if not x.size:
        return None
    x = x - x.mean(axis=0)
    observed = _studentized(x)
    place = int(observed.argmax())
    least = observed[place] * (1 - 1e-9)
    as_large = done = 0
    while done < times and as_large < ENOUGH:
        done += 1
        as_large += bool(_studentized(generator.permuted(x, axis=0)).max() >= least)
    return Change(place + 1, (1 + as_large) / (1 + done))


def _studentized(x: np.ndarray) -> np.ndarray:
    """|after - before| over its standard error at each of the T - 1 points, for x of mean 0 over time."""
    points = np.arange(1, len(x))[:, None]
    before = np.cumsum(x, axis=0)[:-1]
    differences = -before * (1 / points + 1 / (len(x) - points))  # (T - 1, units)
    size = np.sqrt((differences**2).sum(axis=1))
    return np.abs(differences.sum(axis=1)) / np.where(size > 0, size, 1.0)
