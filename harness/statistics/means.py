"""The mean score with its interval: Wilson, Clopper-Pearson or t, cluster-robust where samples belong together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.values import all_in, checked, cluster_numbers, error_rate, inverted, t_p_value, t_quantile

# With fewer right or wrong answers than this, Clopper-Pearson takes Wilson's place. 30 is the
# smallest round number with exact coverage >= 94 % for n = 20..1000 and p = 0.0005..0.9995;
# Wilson alone falls to 84 % at rare answers, and to 93.7 % at n = 100, p = 0.3.
FEW_ANSWERS = 30
# With rare answers in fewer clusters than this, the data cannot tell how alike a cluster's answers are.
FEW_CLUSTERS = 10


def mean_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    against: float | None = None,
) -> Interval:
    """Interval for the mean score: accuracy of 0/1 scores, average of any others.

    0/1 scores: Wilson (1927), or Clopper-Pearson (1934) with fewer than 30 right or 30 wrong;
    never of zero width. Others: Student t, mean +- t(n-1) * s / sqrt(n); when all are equal there
    is no spread to judge by, the width is zero and the method says so.

    clusters, shape (n,), names each sample's group (document, fact). The standard error is then
    the cluster-robust one, CR1: G/(G-1) * sum over clusters of (sum of residuals)^2, over n^2,
    with t(G-1) for G clusters. 0/1 scores keep Wilson or Clopper-Pearson, but with the effective
    number of samples (Korn and Graubard 1998; see effective_n) for n.

    With `against`, p_value tests "the mean is that number", two-sided: the error rate at which this
    interval just leaves the number out.

    Raises StatisticsError for no score, a single score that is not 0 or 1, NaN or infinite scores,
    clusters of another length, or fewer than 2 clusters.
    """
    x = checked("scores", scores)
    groups = cluster_numbers(clusters, x.size)
    alpha = error_rate(level)
    if against is not None and not math.isfinite(against):
        raise StatisticsError(f"mean_interval: against is {against}; it must be a finite number.")
    if all_in(x, (0.0, 1.0)):

        def ends_at(alpha: float) -> tuple[float, float, str, float]:
            n = effective_n(x, groups, (0.0, 1.0), alpha)
            return *_proportion(x.sum() * n / x.size, n, alpha), n

        low, high, method, n = ends_at(alpha)
        p = None if against is None else inverted(lambda alpha: ends_at(alpha)[:2], against)
        return Interval(mean(x), low, high, p, x.size, method + effective(n, x, groups), level)
    error, df, method = standard_error("scores", x, groups)
    half = t_quantile(alpha, df) * error
    p = None if against is None else t_p_value(mean(x) - against, error, df)
    return Interval(mean(x), mean(x) - half, mean(x) + half, p, x.size, method, level)


def mean(x: np.ndarray) -> float:
    """The average as a float."""
    return float(x.mean())


def standard_error(name: str, x: np.ndarray, groups: np.ndarray | None) -> tuple[float, int, str]:
    """Standard error of the mean, its degrees of freedom, and the method's name."""
    n = x.size
    if n < 2:
        raise StatisticsError(
            f"{name}: {x[0]:g} alone has no spread.", "At least 2 are needed; 0/1 scores work from 1 on."
        )
    units, method = (n, "t") if groups is None else (int(groups.max()) + 1, "t, cluster-robust")
    if np.ptp(x) <= 1e-12 * np.abs(x).max():  # equal but for rounding
        return 0.0, units - 1, f"{method}; all {name} equal, no spread to judge by"
    residuals = x - x.mean()
    sums = residuals if groups is None else np.bincount(groups, residuals)
    return math.sqrt(units / (units - 1) * np.sum(sums**2)) / n, units - 1, method


def effective_n(x: np.ndarray, groups: np.ndarray | None, extremes: tuple[float, float], alpha: float) -> float:
    """Number of independent samples that would tell as much as these clustered ones; at most n.

    n / design effect * (t(n-1) / t(G-1))^2, as Korn and Graubard 1998 (Survey Methodology 24,
    193-201); the design effect is the cluster-robust variance over the independent one. Where
    answers other than the commonest are found in few clusters, the data cannot show how alike a
    cluster's answers are, and with none the ratio is 0/0. So one made-up cluster of average size,
    wholly of the rarest answer, is added to both variances, with weight 1 at none, 0 from 10
    such clusters on. All answers equal then count about as many samples as there are clusters.
    """
    n = x.size
    if groups is None:
        return n
    sizes = np.bincount(groups)
    units = sizes.size
    residuals = x - x.mean()
    values, counts = np.unique(x, return_counts=True)
    rare_clusters = np.unique(groups[x != values[counts.argmax()]]).size
    weight = max(0.0, 1 - rare_clusters / FEW_CLUSTERS)
    size = np.sum(sizes**2) / n  # of the cluster that an average sample is in
    rarest = max((value - x.mean()) ** 2 for value in extremes)
    robust = units / (units - 1) * (np.sum(np.bincount(groups, residuals) ** 2) + weight * size**2 * rarest)
    independent = n / (n - 1) * (np.sum(residuals**2) + weight * size * rarest)
    design_effect = max(robust / independent, 1e-9)  # 0 where all clusters have the same mean
    fewer = t_quantile(alpha, units - 1)  # 0 at alpha = 1, where nothing is asked for
    heavier = (t_quantile(alpha, n - 1) / fewer) ** 2 if fewer > 0 else 1.0
    return float(min(n, n / design_effect * heavier))


def effective(n: float, x: np.ndarray, groups: np.ndarray | None) -> str:
    """How many of the samples count, for the method's name; nothing without clusters."""
    return "" if groups is None else f", cluster-robust ({n:.0f} of {x.size} samples effective)"


def _proportion(right: float, n: float, alpha: float) -> tuple[float, float, str]:
    if min(right, n - right) < FEW_ANSWERS:
        return *clopper_pearson(right, n, alpha), "Clopper-Pearson"
    from scipy.special import ndtri

    z, p = float(ndtri(1 - alpha / 2)), right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return float(centre - half), float(centre + half), "Wilson"


def clopper_pearson(right: float, n: float, alpha: float) -> tuple[float, float]:
    """The exact interval of a share (1934); counts may be fractions of samples, where clusters shrink them."""
    from scipy.special import betaincinv

    low = float(betaincinv(right, n - right + 1, alpha / 2)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - alpha / 2)) if right < n else 1.0
    return low, high
