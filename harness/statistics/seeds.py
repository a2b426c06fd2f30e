"""Training seeds x samples: an interval that counts the noise of retraining beside that of drawing samples."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.values import checked, cluster_numbers, error_rate, inverted, t_p_value, t_quantile


@dataclass(frozen=True)
class NestedInterval(Interval):
    """An interval with its components of variance, each of a single seed and a single sample."""

    seed_variance: float = 0.0  # between trainings, of the mean over all samples
    sample_variance: float = 0.0  # between samples (clusters), of the mean over all seeds
    residual_variance: float = 0.0  # of one sample under one seed, beyond both


def nested_interval(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    against: float = 0.0,
) -> NestedInterval:
    """Mean of scores (or of paired differences) of shape (S, n): S training seeds answering the same n samples.

    Two-way random effects, crossed (Searle, Casella and McCulloch 1992, chapter 4): the variance of the mean is
    (MS_seed + MS_sample - MS_residual) / (S n) by the mean squares of seeds, samples and residual. The half width is
    sqrt((t(S - 1)^2 (MS_seed - MS_residual) + t(n - 1)^2 MS_sample) / (S n)), each part with its own degrees of
    freedom (the idea of Graybill and Wang 1980, JASA 75, 869-873): one t with Satterthwaite's falls to 88 % coverage
    at few seeds. With two seeds nothing is subtracted; expect wide intervals there. Miller 2024 (section 3.1) treats
    resampled answers so; here the seeds are trainings. clusters, shape (n,), enter as sums of their residuals.
    p_value tests "the mean is `against`" by inverting the interval.
    All scores equal: zero width, and method says so.
    Raises StatisticsError for fewer than 2 seeds, seeds of different length, fewer than 2 samples, and as
    mean_interval does.
    """
    x = _crossed(scores)
    seeds, n = x.shape
    estimate = float(x.mean())
    groups = cluster_numbers(clusters, n)
    units = n if groups is None else int(groups.max()) + 1
    ms_seed, ms_unit, ms_rest = _mean_squares(x - estimate, groups, units)
    of_seeds, of_units = ms_seed if seeds == 2 else max(0.0, ms_seed - ms_rest), ms_unit
    if np.ptp(x) <= 1e-12 * np.abs(x).max():
        of_seeds = of_units = 0.0

    def ends_at(alpha: float) -> tuple[float, float]:
        squared = t_quantile(alpha, seeds - 1) ** 2 * of_seeds + t_quantile(alpha, units - 1) ** 2 * of_units
        half = math.sqrt(squared / (seeds * units))
        return estimate - half, estimate + half

    varies = of_seeds + of_units > 0
    p = inverted(ends_at, against) if varies else t_p_value(estimate - against, 0.0, units - 1)
    kind = "" if groups is None else f", {units} clusters"
    spread = "" if varies else "; all equal, no spread to judge by"
    return NestedInterval(
        estimate, *ends_at(error_rate(level)), p, n, f"t over {seeds} training seeds x {n} samples{kind}{spread}", level,
        seed_variance=max(0.0, (ms_seed - ms_rest) / units),
        sample_variance=max(0.0, (ms_unit - ms_rest) / seeds),
        residual_variance=ms_rest,
    )  # fmt: skip


def _crossed(scores: Sequence[Sequence[float]]) -> np.ndarray:
    """The scores as (S, n), at least 2 of each."""
    rows = [checked(f"scores[{i}]", row) for i, row in enumerate(scores)]
    if len(rows) < 2:
        raise StatisticsError(f"nested_interval: {len(rows)} seeds; at least 2 are needed.", "For one: mean_interval.")
    if len({row.size for row in rows}) > 1:
        raise StatisticsError(f"nested_interval: seeds with {', '.join(str(r.size) for r in rows)} scores differ.")
    if rows[0].size < 2:
        raise StatisticsError("nested_interval: one sample alone has no spread.", "At least 2 are needed.")
    return np.stack(rows)


def _mean_squares(residuals: np.ndarray, groups: np.ndarray | None, units: int) -> tuple[float, float, float]:
    """Mean squares of seeds, of samples (clusters) and of what is left, from residuals (S, n) of the overall mean."""
    seeds, n = residuals.shape
    if groups is not None:
        residuals = np.stack([np.bincount(groups, row) for row in residuals]) * units / n
    by_seed, by_unit = residuals.mean(1), residuals.mean(0)
    rest = residuals - by_seed[:, None] - by_unit[None, :]
    ms_seed = units * float(np.sum(by_seed**2)) / (seeds - 1)
    ms_unit = seeds * float(np.sum(by_unit**2)) / (units - 1)
    return ms_seed, ms_unit, float(np.sum(rest**2)) / ((seeds - 1) * (units - 1))


def across_seeds(estimates: Sequence[float], sampling: Interval, against: float = 0.0) -> Interval:
    """The same for any metric: `sampling` is the interval over samples of the seeds' average, `estimates` has shape (S,).

    The half width is the root of (t(S - 1) s)^2 / S, s the deviation between seeds, plus the squared half width over
    samples. What varies with seed and sample together counts in both, so the interval is wide rather than narrow.
    p_value tests "the metric is `against`".
    Raises StatisticsError for fewer than 2 estimates.
    """
    x = checked("estimates", estimates)
    if x.size < 2:
        raise StatisticsError(f"across_seeds: {x.size} seeds; at least 2 are needed.")
    between = float(x.var(ddof=1)) / x.size
    below, above = (
        abs(end - sampling.estimate) / _z(error_rate(sampling.level)) for end in (sampling.low, sampling.high)
    )

    def ends_at(alpha: float) -> tuple[float, float]:
        seeds = t_quantile(alpha, x.size - 1) ** 2 * between
        low, high = (math.sqrt(seeds + (_z(alpha) * one) ** 2) for one in (below, above))
        return sampling.estimate - low, sampling.estimate + high

    low, high = ends_at(error_rate(sampling.level))
    method = f"{sampling.method}; over {x.size} training seeds"
    return replace(sampling, low=low, high=high, p_value=inverted(ends_at, against), method=method)


def _z(alpha: float) -> float:
    return t_quantile(alpha, 1e9)
