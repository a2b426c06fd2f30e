"""Scores of one subject, measured again and again on the same samples: where they changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import checked, cluster_numbers, error_rate


@dataclass(frozen=True)
class Change:
    """One point at which the mean changed."""

    place: int  # of the first measurement after it, counted from 0
    p_value: float


def change_points(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    times: int = 4_999,
    seed: int = 0,
) -> list[Change]:
    """The points at which the mean score changed, in order; empty where chance explains everything.

    scores, shape (T, n): T measurements, oldest first, of the same n samples; clusters, shape (n,), are kept whole. For
    every point the mean of all measurements after it is compared with the mean of all before it, sample by sample, as
    a studentized difference; the largest over all points is the statistic (the likelihood-ratio scan of Sen and
    Srivastava 1975, Annals of Statistics 3, 98-108). Its p-value comes from exchanging signs: were no measurement different,
    a sample's (cluster's) differences would be as likely the other way round, at all points at once (Westfall and
    Young 1993 on the largest of several statistics). So it holds for any number of points at `level`. What lies before
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
        raise StatisticsError(
            "change_points: one sample alone has no spread.", "At least 2 samples or clusters are needed."
        )
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(times, x.shape[1]))
    found: list[Change] = []
    stretches = [(0, len(x))]
    while stretches:
        start, end = stretches.pop()
        change = _largest(x[start:end], signs) if end - start > 1 else None
        if change is not None and change.p_value <= error_rate(level):
            place = start + change.place
            found.append(Change(place, change.p_value))
            stretches += [(start, place), (place, end)]
    return sorted(found, key=lambda one: one.place)


def _largest(x: np.ndarray, signs: np.ndarray) -> Change | None:
    """The point with the largest studentized difference in x, shape (T, units); None where nothing differs."""
    points = np.arange(1, len(x))[:, None]
    before = np.cumsum(x, axis=0)[:-1]
    differences = (x.sum(axis=0) - before) / (len(x) - points) - before / points  # (T - 1, units)
    size = np.sqrt((differences**2).sum(axis=1))
    varies = size > 1e-12 * max(1.0, float(np.abs(x).max()))
    if not varies.any():
        return None
    studentized = np.where(varies, differences.sum(axis=1) / np.where(varies, size, 1.0), 0.0)
    drawn = np.abs(signs @ (differences[varies] / size[varies, None]).T).max(axis=1)  # (times,)
    place = int(np.abs(studentized).argmax())
    as_large = int((drawn >= np.abs(studentized[place]) * (1 - 1e-9)).sum())
    return Change(place + 1, (1 + as_large) / (1 + len(signs)))
