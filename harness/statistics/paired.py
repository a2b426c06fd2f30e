"""Two subjects on the same samples: the difference, whether it can be chance, whether it stays within a margin."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.means import clopper_pearson, effective, effective_n, mean, standard_error
from harness.statistics.values import all_in, checked_pair, error_rate, inverted, t_p_value, t_quantile

EXACT_FLIPS = 16  # up to 2^16 sign patterns are enumerated
RANDOM_FLIPS = 9_999  # beyond: drawn at random, seeded
NORMAL_FLIPS = 10_000  # more units than this: the normal limit of the sign-flip distribution


def paired_difference(
    candidate: Sequence[float],
    baseline: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    against: float = 0.0,
) -> Interval:
    """Mean of candidate - baseline over the same samples; p_value tests "no difference", two-sided.

    0/1 scores: the exact McNemar test, and of two intervals the wider end on each side: Tango's
    score interval (1998), and Clopper-Pearson on the discordant samples alone. So the interval
    never has zero width and excludes 0 only where the exact test rejects.
    Others: t interval of the differences; p from flipping their signs, exactly up to 16 non-zero
    differences, else 9,999 seeded random patterns with (hits + 1) / (patterns + 1) (Phipson and
    Smyth 2010). With fewer than 6 samples this p cannot fall below 0.05, though the t interval,
    which trusts normality, may exclude 0. Differences all equal: zero width, and method says so.
    effect_size: Cohen's g of 0/1 scores, d_z of others; None where no two differences differ.

    With clusters, whole clusters change sign together, for 0/1 scores too (McNemar takes samples
    as independent); intervals as in mean_interval.
    With `against`, p_value tests "the difference is that number" by the interval: the error rate at
    which it just leaves the number out.
    Raises StatisticsError as mean_interval does, and for sides of different length.
    """
    x, y, groups = checked_pair(candidate, baseline, clusters)
    d = x - y
    alpha = error_rate(level)
    if all_in(x, (0.0, 1.0)) and all_in(y, (0.0, 1.0)):
        return _of_proportions(d, groups, level, alpha, against)
    error, df, method = standard_error("differences", d, groups)
    half = t_quantile(alpha, df) * error
    if against:
        p, method = t_p_value(mean(d) - against, error, df), method + "; t test"
    else:
        p = _sign_flip(d if groups is None else np.bincount(groups, d))
        method += "; sign flips" if groups is None else "; sign flips by cluster"
    spread = float(d.std(ddof=1))
    size = mean(d) / spread if error > 0 else None
    return Interval(mean(d), mean(d) - half, mean(d) + half, p, d.size, method, level, size)


def _of_proportions(d: np.ndarray, groups: np.ndarray | None, level: float, alpha: float, against: float) -> Interval:
    """The difference of two shares; d is -1, 0 or 1."""
    better, worse = int(np.sum(d > 0)), int(np.sum(d < 0))

    def ends_at(alpha: float) -> tuple[float, float, float]:
        n = effective_n(d, groups, (-1.0, 1.0), alpha)
        return *_paired_proportions(better * n / d.size, worse * n / d.size, n, alpha), n

    low, high, n = ends_at(alpha)
    if against:
        p, test = inverted(lambda alpha: ends_at(alpha)[:2], against), "the interval inverted"
    elif groups is None:
        p, test = _mcnemar(better, worse), "exact McNemar"
    else:
        p, test = _sign_flip(np.bincount(groups, d)), "sign flips by cluster"
    method = f"Tango score and exact conditional{effective(n, d, groups)}; {test}"
    size = better / (better + worse) - 0.5 if better + worse else None
    return Interval(mean(d), low, high, p, d.size, method, level, size)


def non_inferior(
    candidate: Sequence[float],
    baseline: Sequence[float],
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Interval:
    """Is candidate - baseline > -margin? p_value is one-sided, against "worse by margin or more".

    margin is positive, in the scores' unit. With alpha = 1 - level, low and high are the ends of
    the two-sided 1 - 2 * alpha interval (so Interval.level is 0.90 for level 0.95): low > -margin
    is the same statement as p_value < alpha.
    0/1 scores: Tango's score test and interval (1998), made for this question. Others: t, both
    as in paired_difference for clusters; where all differences are equal, the sign test. Raises StatisticsError as there, and for margin <= 0.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise StatisticsError(
            f"non_inferior: margin is {margin}; it must be a positive number.",
            "Higher scores are better, difference = candidate - baseline, the claim is difference > -margin.",
        )
    from scipy.special import ndtr, stdtr

    x, y, groups = checked_pair(candidate, baseline, clusters)
    d = x - y
    alpha = 2 * error_rate(level)
    if alpha >= 1:
        raise StatisticsError(f"non_inferior: level is {level}; a one-sided test needs more than 0.5.")
    two_sided = round(1 - alpha, 12)
    kind = f"{100 * two_sided:g} % two-sided interval, one-sided p"
    if all_in(x, (0.0, 1.0)) and all_in(y, (0.0, 1.0)):
        if margin >= 1:
            raise StatisticsError(f"non_inferior: margin is {margin}; 0/1 scores cannot differ by more than 1.")
        n = effective_n(d, groups, (-1.0, 1.0), alpha)
        better, worse = int(np.sum(d > 0)) * n / d.size, int(np.sum(d < 0)) * n / d.size
        low, high = _tango(better, worse, n, alpha)
        p = float(ndtr(-_tango_z(better, worse, n, -margin)))
        method = f"Tango score{effective(n, d, groups)}; {kind}"
        return Interval(mean(d), low, high, p, d.size, method, two_sided)
    error, df, method = standard_error("differences", d, groups)
    half = t_quantile(alpha, df) * error
    above = mean(d) + margin
    p = float(stdtr(df, -above / error)) if error > 0 else 0.5 ** (df + 1) if above > 1e-12 else 1.0
    return Interval(mean(d), mean(d) - half, mean(d) + half, p, d.size, f"{method}; {kind}", two_sided)


def _paired_proportions(better: float, worse: float, n: float, alpha: float) -> tuple[float, float]:
    """The wider end on each side, of Tango's interval and of Clopper-Pearson on discordant samples."""
    low, high = _tango(better, worse, n, alpha)
    discordant = better + worse
    if discordant > 0:
        share_low, share_high = clopper_pearson(better, discordant, alpha)
        low = min(low, (2 * share_low - 1) * discordant / n)
        high = max(high, (2 * share_high - 1) * discordant / n)
    return low, high


def _tango(better: float, worse: float, n: float, alpha: float) -> tuple[float, float]:
    """Tango's score interval for (better - worse) / n: the differences that his test keeps."""
    from scipy.special import ndtri

    z = float(ndtri(1 - alpha / 2))
    estimate = (better - worse) / n

    def edge(outside: float) -> float:
        kept, refused = estimate, outside
        for _ in range(60):  # bisection: |z| grows with the distance from the estimate
            middle = (kept + refused) / 2
            if abs(_tango_z(better, worse, n, middle)) <= z:
                kept = middle
            else:
                refused = middle
        return kept

    return edge(-1.0), edge(1.0)


def _tango_z(better: float, worse: float, n: float, difference: float) -> float:
    """Tango's score statistic (1998, Statistics in Medicine 17, 891-908) for -1 < difference < 1."""
    a = 2 * n
    b = -better - worse + (2 * n - better + worse) * difference
    c = -worse * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)  # P(worse), most likely under difference
    variance = n * (2 * q + difference * (1 - difference))
    above = better - worse - n * difference
    return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above) if above else 0.0


def _mcnemar(better: int, worse: int) -> float:
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))


def _sign_flip(differences: np.ndarray) -> float:
    """Two-sided p of the sum of differences when each sign were a coin's throw."""
    d = differences[np.abs(differences) > 1e-12 * np.abs(differences).max()]
    if d.size == 0:
        return 1.0
    reached = abs(d.sum()) - 1e-9 * np.abs(d).sum()  # a sum equal but for rounding counts
    if d.size <= EXACT_FLIPS:
        sums = np.zeros(1)
        for value in d:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= reached))
    if d.size > NORMAL_FLIPS:
        from scipy.special import ndtr

        return float(2 * ndtr(-abs(d.sum()) / math.sqrt(np.sum(d**2))))
    generator = np.random.default_rng(0)
    hits, rows = 0, 1 + 1_000_000 // d.size
    for start in range(0, RANDOM_FLIPS, rows):
        flips = generator.integers(0, 2, size=(min(rows, RANDOM_FLIPS - start), d.size), dtype=np.int8)
        hits += int(np.sum(np.abs(2 * (flips @ d) - d.sum()) >= reached))
    return (hits + 1) / (RANDOM_FLIPS + 1)
