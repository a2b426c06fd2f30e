"""An interval that may be looked at after every sample: for stopping early without more errors."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import Interval, checked, cluster_numbers, error_rate, inverted


def confidence_sequence(
    scores: Sequence[float],
    bounds: tuple[float, float],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    tune_at: int = 500,
    against: float | None = None,
) -> Interval:
    """Interval for the mean after the scores so far, shape (n,), in the order drawn.

    With probability `level` all the intervals, after every n from 1 on, hold the mean: whoever looks after each
    sample and stops when pleased errs no more often. The empirical Bernstein bound of Howard, Ramdas, McAuliffe and
    Sekhon 2021 (Annals of Statistics 49, theorem 4) with their gamma-exponential mixture (proposition 9): any scores
    within `bounds`, no normality; a score is predicted by the mean of those before it. It is narrowest, against other
    n, about `tune_at` samples, which must be chosen beforehand; for scores of small spread.

    clusters, shape (n,), count as single steps: sums of residuals over the largest cluster's size, which is exact for
    testing one mean; their spread is taken about the estimate.
    With `against`, p_value tests "the mean is that number" and is valid at any stopping time.
    Raises StatisticsError for scores outside the bounds, bounds that are no range, and as mean_interval does.
    """
    x = checked("scores", scores)
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise StatisticsError(f"confidence_sequence: bounds are {bounds}; they must be two rising numbers.")
    outside = np.flatnonzero((x < low) | (x > high))
    if outside.size:
        raise StatisticsError(f"scores[{outside[0]}] is {x[outside[0]]:g}, outside of its bounds {low:g} to {high:g}.")
    if tune_at < 1:
        raise StatisticsError(f"confidence_sequence: tune_at is {tune_at}; it must be at least 1.")
    width, alpha = high - low, error_rate(level)
    estimate = float(x.mean())
    groups = cluster_numbers(clusters, x.size)
    if groups is None:
        steps, per_step, start = x, 1.0, (low + high) / 2
    else:
        largest = int(np.bincount(groups).max())
        steps, per_step, start = np.bincount(groups, x - estimate) / largest, largest, 0.0
    before = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    predicted = (before + start) / np.arange(1, steps.size + 1)  # the start counts as one step
    variance = float(np.sum((steps - predicted) ** 2))

    def ends_at(alpha: float) -> tuple[float, float]:
        half = _boundary(variance, alpha / 2, width, tune_at / per_step) * per_step / x.size
        return max(low, estimate - half), min(high, estimate + half)

    ends = ends_at(alpha)
    p = None if against is None else inverted(ends_at, against)
    name = f"confidence sequence (empirical Bernstein, scores in {low:g} to {high:g})"
    return Interval(estimate, *ends, p, x.size, name, level)


def _boundary(variance: float, alpha: float, width: float, tune_at: float) -> float:
    """The gamma-exponential mixture boundary: what the sum of residuals exceeds ever with probability alpha at most."""
    from scipy.special import gammainc, gammaln

    square = width**2
    expected = (
        tune_at * square / 25
    )  # the variance at `tune_at` for which the mixture is tuned: sd of a fifth of the range
    log_rate = math.log(1 / (2 * alpha)) if alpha < 0.5 else 1.0
    rho = expected / (2 * log_rate + math.log1p(2 * log_rate)) / square  # Howard et al. 2021, section 3.5

    def log_mixture(total: float) -> float:
        shape = variance / square + rho
        reach = (width * total + variance) / square
        tail = float(gammainc(shape, reach + rho))
        return (
            rho * math.log(rho) - float(gammaln(rho)) - math.log(float(gammainc(rho, rho)))
            + float(gammaln(shape)) + math.log(max(tail, 1e-300)) - shape * math.log(reach + rho) + reach
        )  # fmt: skip

    wanted = math.log(1 / alpha)
    below, above = 0.0, width
    while log_mixture(above) < wanted:
        above *= 2
    for _ in range(60):
        middle = (below + above) / 2
        below, above = (middle, above) if log_mixture(middle) < wanted else (below, middle)
    return above
