"""An interval that may be looked at after every sample: for stopping early without more errors."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.interval import Interval, SamplingPlan
from harness.statistics.values import checked, cluster_numbers, error_rate

TUNED_FOR = 0.025  # error rate of one side at which the boundary is narrowest; chosen beforehand, as it must be


def confidence_sequence(
    scores: Sequence[float],
    bounds: tuple[float, float],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    against: float | None = None,
    plan: SamplingPlan | None = None,
) -> Interval:
    """Interval for the mean after the scores so far, shape (n,), in the order drawn.

    With probability `level` all the intervals, after every n from 1 on, hold the mean: whoever looks after each
    sample and stops when pleased errs no more often. The empirical Bernstein bound of Howard, Ramdas, McAuliffe and
    Sekhon 2021 (Annals of Statistics 49, theorem 4) with their gamma-exponential mixture (proposition 9): any scores
    within `bounds`, no normality; a score is predicted by the mean of those before it. It is narrowest, against other
    n, about `plan.tune_at` samples, for scores of small spread.

    clusters, shape (n,), count as single steps: a mean is tested by each cluster's sum of distances from it, over the
    largest cluster there may be. `plan.largest_cluster` says how large that is; without it all clusters must be of
    one size.
    With `against`, p_value tests "the mean is that number" and is valid at any stopping time.
    Raises StatisticsError for scores outside the bounds, bounds that are no range, clusters of several sizes without
    `plan.largest_cluster`, or larger than it, and as mean_interval does.
    """
    x, plan = checked("scores", scores), plan or SamplingPlan()
    low, high = _checked_bounds(x, bounds)
    if plan.tune_at < 1:
        raise StatisticsError(f"confidence_sequence: tune_at is {plan.tune_at}; it must be at least 1.")
    groups = cluster_numbers(clusters, x.size)
    sizes = np.ones(x.size) if groups is None else np.bincount(groups)
    sums = x if groups is None else np.bincount(groups, x)
    largest = _largest(sizes, plan.largest_cluster if clusters is not None else 1)
    evidence = _Evidence(sums / largest, sizes / largest, _Boundary(high - low, plan.tune_at / largest))
    estimate, wanted = float(x.mean()), math.log(2 / error_rate(level))
    p = None if against is None else min(1.0, 2 * math.exp(-min(evidence.against(against), 700.0)))
    name = f"confidence sequence (empirical Bernstein, scores in {low:g} to {high:g})"
    ends = [evidence.edge(estimate, bound, wanted) for bound in (low, high)]
    return Interval(estimate, ends[0], ends[1], p, x.size, name, level)


def _checked_bounds(x: np.ndarray, bounds: tuple[float, float]) -> tuple[float, float]:
    """The bounds, between which all scores (n,) lie."""
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise StatisticsError(f"confidence_sequence: bounds are {bounds}; they must be two rising numbers.")
    outside = np.flatnonzero((x < low) | (x > high))
    if outside.size:
        raise StatisticsError(f"scores[{outside[0]}] is {x[outside[0]]:g}, outside of its bounds {low:g} to {high:g}.")
    return low, high


@dataclass(frozen=True)
class _Evidence:
    """How much the steps so far speak against a mean; a step is a cluster's sum (steps,) over the largest cluster."""

    sums: np.ndarray
    sizes: np.ndarray
    boundary: _Boundary

    def against(self, mean: float) -> float:
        """Logarithm of the mixture: how far the sum of steps has gone from a mean that would keep it about 0."""
        steps = self.sums - self.sizes * mean
        before = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
        predicted = before / np.arange(1, steps.size + 1)  # of the first step 0, which counts as one
        return self.boundary.log_mixture(abs(float(steps.sum())), float(np.sum((steps - predicted) ** 2)))

    def edge(self, inside: float, outside: float, wanted: float) -> float:
        """The mean between the estimate and a bound at which the evidence reaches `wanted`, by bisection."""
        if self.against(outside) < wanted:
            return outside
        kept, refused = inside, outside
        for _ in range(50):
            middle = (kept + refused) / 2
            kept, refused = (middle, refused) if self.against(middle) < wanted else (kept, middle)
        return refused


def _largest(sizes: np.ndarray, stated: int | None) -> float:
    """The size of the largest cluster there may be."""
    if stated is None and np.ptp(sizes) > 0:
        raise StatisticsError(
            f"confidence_sequence: clusters of {sizes.min():g} to {sizes.max():g} samples, and largest_cluster is missing.",
            "Say how large a cluster may be at most; it has to be known before anything is drawn.",
        )
    if stated is not None and sizes.max() > stated:
        raise StatisticsError(
            f"confidence_sequence: a cluster has {sizes.max():g} samples, and largest_cluster is {stated}."
        )
    return float(sizes.max() if stated is None else stated)


class _Boundary:
    """The gamma-exponential mixture: what the sum of steps exceeds ever with probability 1 / mixture at most."""

    def __init__(self, width: float, tune_at: float) -> None:
        """For steps within a range of that width."""
        self.width, self.square = width, width**2
        log_rate = math.log(1 / (2 * TUNED_FOR))
        # expected variance at `tune_at` for scores whose deviation is a fifth of their range; Howard et al., section 3.5
        self.rho = tune_at / 25 / (2 * log_rate + math.log1p(2 * log_rate))

    def log_mixture(self, total: float, variance: float) -> float:
        """Logarithm of the mixture after steps of that sum and summed squared surprise."""
        from scipy.special import gammainc, gammaln

        rho = self.rho
        shape = variance / self.square + rho
        reach = (self.width * total + variance) / self.square
        own, first = float(gammainc(shape, reach + rho)), float(gammainc(rho, rho))
        return (
            rho * math.log(rho) - float(gammaln(rho)) - math.log(first)
            + float(gammaln(shape)) + math.log(max(own, 1e-300)) - shape * math.log(reach + rho) + reach
        )  # fmt: skip
