"""Scores -> intervals, paired differences and verdicts; between an evaluation and its gates.

Everywhere: a score is a finite number, one per sample, higher is better; a difference is
candidate - baseline, sample by sample, so both sides must be in the same order. Intervals and
p-values are in the scores' own unit (0.03 of a 0/1 score is three percentage points).

Why not the plain normal interval: it falls well short of its level below a few hundred samples
(Bowyer et al. 2025, arXiv:2503.01747). Why paired and clustered: Miller 2024, arXiv:2411.00640.
scipy is imported inside the functions, because every warm pytest session imports this module;
scipy.special holds all that is needed and loads in a third of scipy.stats' time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.errors import StatisticsError

# With fewer right or wrong answers than this, Clopper-Pearson takes Wilson's place. 30 is the
# smallest round number with exact coverage >= 94 % for n = 20..1000 and p = 0.0005..0.9995;
# Wilson alone falls to 84 % at rare answers, and to 93.7 % at n = 100, p = 0.3.
FEW_ANSWERS = 30
# With rare answers in fewer clusters than this, the data cannot tell how alike a cluster's answers are.
FEW_CLUSTERS = 10
EXACT_FLIPS = 16  # up to 2^16 sign patterns are enumerated
RANDOM_FLIPS = 9_999  # beyond: drawn at random, seeded
NORMAL_FLIPS = 10_000  # more units than this: the normal limit of the sign-flip distribution
JACKKNIFE_BLOCKS = 500


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided confidence interval; p_value is None where nothing is tested."""

    estimate: float
    low: float
    high: float
    p_value: float | None
    n: int
    method: str
    level: float = 0.95


def mean_interval(scores: Sequence[float], clusters: Sequence[Hashable] | None = None, level: float = 0.95) -> Interval:
    """Interval for the mean score: accuracy of 0/1 scores, average of any others.

    0/1 scores: Wilson (1927), or Clopper-Pearson (1934) with fewer than 30 right or 30 wrong;
    never of zero width. Others: Student t, mean +- t(n-1) * s / sqrt(n); when all are equal there
    is no spread to judge by, the width is zero and the method says so.

    clusters, shape (n,), names each sample's group (document, fact). The standard error is then
    the cluster-robust one, CR1: G/(G-1) * sum over clusters of (sum of residuals)^2, over n^2,
    with t(G-1) for G clusters. 0/1 scores keep Wilson or Clopper-Pearson, but with the effective
    number of samples (Korn and Graubard 1998; see _effective_n) for n.

    Raises StatisticsError for no score, a single score that is not 0 or 1, NaN or infinite scores,
    clusters of another length, or fewer than 2 clusters.
    """
    x = _scores("scores", scores)
    groups = _groups(clusters, x.size)
    alpha = _alpha(level)
    if _all_in(x, (0.0, 1.0)):
        n = _effective_n(x, groups, (0.0, 1.0), alpha)
        low, high, method = _proportion(x.sum() * n / x.size, n, alpha)
        return Interval(_mean(x), low, high, None, x.size, method + _effective(n, x, groups), level)
    error, df, method = _standard_error("scores", x, groups)
    half = _t(alpha, df) * error
    return Interval(_mean(x), _mean(x) - half, _mean(x) + half, None, x.size, method, level)


def paired_difference(
    candidate: Sequence[float],
    baseline: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Interval:
    """Mean of candidate - baseline over the same samples; p_value tests "no difference", two-sided.

    0/1 scores: the exact McNemar test, and of two intervals the wider end on each side: Tango's
    score interval (1998), and Clopper-Pearson on the discordant samples alone. So the interval
    never has zero width and excludes 0 only where the exact test rejects.
    Others: t interval of the differences; p from flipping their signs, exactly up to 16 non-zero
    differences, else 9,999 seeded random patterns with (hits + 1) / (patterns + 1) (Phipson and
    Smyth 2010). With fewer than 6 samples this p cannot fall below 0.05, though the t interval,
    which trusts normality, may exclude 0. Differences all equal: zero width, and method says so.

    With clusters, whole clusters change sign together, for 0/1 scores too (McNemar takes samples
    as independent); intervals as in mean_interval.
    Raises StatisticsError as mean_interval does, and for sides of different length.
    """
    x, y, groups = _pair(candidate, baseline, clusters)
    d = x - y
    alpha = _alpha(level)
    if _all_in(x, (0.0, 1.0)) and _all_in(y, (0.0, 1.0)):
        n = _effective_n(d, groups, (-1.0, 1.0), alpha)
        better, worse = int(np.sum(d > 0)), int(np.sum(d < 0))
        low, high = _paired_proportions(better * n / d.size, worse * n / d.size, n, alpha)
        if groups is None:
            p, test = _mcnemar(better, worse), "exact McNemar"
        else:
            p, test = _sign_flip(np.bincount(groups, d)), "sign flips by cluster"
        method = f"Tango score and exact conditional{_effective(n, d, groups)}; {test}"
        return Interval(_mean(d), low, high, p, d.size, method, level)
    error, df, method = _standard_error("differences", d, groups)
    half = _t(alpha, df) * error
    p = _sign_flip(d if groups is None else np.bincount(groups, d))
    method += "; sign flips" if groups is None else "; sign flips by cluster"
    return Interval(_mean(d), _mean(d) - half, _mean(d) + half, p, d.size, method, level)


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
    as in paired_difference for clusters. Raises StatisticsError as there, and for margin <= 0.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise StatisticsError(
            f"non_inferior: margin is {margin}; it must be a positive number.",
            "Higher scores are better, difference = candidate - baseline, the claim is difference > -margin.",
        )
    from scipy.special import ndtr, stdtr

    x, y, groups = _pair(candidate, baseline, clusters)
    d = x - y
    alpha = 2 * _alpha(level)
    if alpha >= 1:
        raise StatisticsError(f"non_inferior: level is {level}; a one-sided test needs more than 0.5.")
    two_sided = round(1 - alpha, 12)
    kind = f"{100 * two_sided:g} % two-sided interval, one-sided p"
    if _all_in(x, (0.0, 1.0)) and _all_in(y, (0.0, 1.0)):
        if margin >= 1:
            raise StatisticsError(f"non_inferior: margin is {margin}; 0/1 scores cannot differ by more than 1.")
        n = _effective_n(d, groups, (-1.0, 1.0), alpha)
        better, worse = int(np.sum(d > 0)) * n / d.size, int(np.sum(d < 0)) * n / d.size
        low, high = _tango(better, worse, n, alpha)
        p = float(ndtr(-_tango_z(better, worse, n, -margin)))
        method = f"Tango score{_effective(n, d, groups)}; {kind}"
        return Interval(_mean(d), low, high, p, d.size, method, two_sided)
    error, df, method = _standard_error("differences", d, groups)
    half = _t(alpha, df) * error
    above = _mean(d) + margin
    p = float(stdtr(df, -above / error)) if error > 0 else float(above <= 0)
    return Interval(_mean(d), _mean(d) - half, _mean(d) + half, p, d.size, f"{method}; {kind}", two_sided)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float],
    samples: int | Sequence,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """BCa bootstrap interval of a corpus metric (ratio of sums: bits per byte, perplexity, BLEU).

    statistic takes an int array of sample positions, with repeats, and returns the metric over
    them; samples is their number n, or anything of that length. With clusters, whole clusters are
    drawn. BCa after Efron (1987); the acceleration comes from a jackknife, by blocks
    where there are more than 500 samples.
    Trust it from some 100 samples or clusters on: with 30, a 95 % interval holds the truth in 91 %.
    Raises StatisticsError for fewer than 2 samples or clusters, fewer than 100 resamples, or a
    statistic that is not finite. For a metric of zero spread the width is zero, and method says so.
    """
    return _bca(statistic, samples, level, resamples, seed, clusters, test_zero=False)


def paired_bootstrap(
    candidate: Callable[[np.ndarray], float],
    baseline: Callable[[np.ndarray], float],
    samples: int | Sequence,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """BCa interval of candidate(i) - baseline(i), two corpus metrics over the same drawn samples i.

    As bootstrap_interval. p_value is two-sided: the level at which the BCa interval just touches
    0, no smaller than 1 / resamples; 1 where all drawn differences are 0.
    """

    def difference(index: np.ndarray) -> float:
        return candidate(index) - baseline(index)

    return _bca(difference, samples, level, resamples, seed, clusters, test_zero=True)


def minimum_detectable_difference(
    n: int,
    sd: float | None = None,
    p: float | None = None,
    discordant: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    paired: bool = True,
) -> float:
    """Smallest true difference that a two-sided test on n samples a side finds with this power.

    (z(1 - alpha/2) + z(power)) * sd_of_a_difference / sqrt(n), normal theory, in the scores' unit
    (Miller 2024, section 5). The spread of one difference comes from one of
    sd          of the paired differences; unpaired: of one side's scores, times sqrt(2)
    discordant  share of 0/1 samples on which the two sides disagree: sqrt(discordant); paired only
    p           accuracy of 0/1 scores, sides taken as independent: sqrt(2 p (1 - p)), paired or not
    none        as p = 0.5, the worst of these; paired sides that agree beyond chance do better
    At n = 500: 0.081 for p = 0.3; 0.069, 0.049, 0.028 for discordant 0.30, 0.15, 0.05.
    """
    if n < 1:
        raise StatisticsError(f"minimum_detectable_difference: n is {n}; it must be at least 1.")
    return _z_sum(power, level) * _spread(sd, p, discordant, paired) / math.sqrt(n)


def samples_needed(
    effect: float,
    sd: float | None = None,
    p: float | None = None,
    discordant: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    paired: bool = True,
) -> int:
    """Samples (a side, if unpaired) on which a true difference of this size is found with this power.

    ceil(((z(1 - alpha/2) + z(power)) * sd_of_a_difference / effect)^2): the inverse of
    minimum_detectable_difference, same arguments; the sign of effect does not matter. For a
    threshold, effect is its distance from the estimate and sd the standard error times sqrt(n).
    """
    if not math.isfinite(effect) or effect == 0:
        raise StatisticsError(f"samples_needed: effect is {effect}; no number of samples finds that.")
    needed = (_z_sum(power, level) * _spread(sd, p, discordant, paired) / effect) ** 2
    return math.ceil(needed - 1e-9)


def adjust(p_values: Sequence[float], method: Literal["holm", "bh"] = "holm") -> list[float]:
    """p-values adjusted for their number, in the given order; compare each with alpha as it is.

    holm (1979) bounds the chance of any false alarm: running maximum of (m - i) * p(i), i = 0 ...
    bh (Benjamini and Hochberg 1995) bounds the share of false alarms: running minimum from the
    largest of m / (i + 1) * p(i). An empty list stays empty.
    """
    if method not in ("holm", "bh"):
        raise StatisticsError(f"adjust: there is no method {method!r}.", 'Use "holm" or "bh".')
    if len(p_values) == 0:
        return []
    p = _scores("p_values", p_values)
    outside = np.flatnonzero((p < 0) | (p > 1))
    if outside.size:
        raise StatisticsError(f"p_values[{outside[0]}] is {p[outside[0]]:g}; it must lie in 0..1.")
    m, order = p.size, np.argsort(p, kind="stable")
    if method == "holm":
        stepped = np.maximum.accumulate((m - np.arange(m)) * p[order])
    else:
        stepped = np.minimum.accumulate((m / np.arange(1, m + 1) * p[order])[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def verdict(
    interval: Interval,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    equals: float | None = None,
) -> Literal["pass", "fail", "inconclusive"]:
    """pass if the interval lies wholly on the claimed side, fail if wholly on the other.

    Exactly one claim. The threshold itself fails above and below, and satisfies at_least and
    at_most. equals is about the samples at hand, not about all there could be: the estimate is
    that number (to 1e-9) or it is not, never inconclusive; no interval could prove equality.
    """
    claims = {"above": above, "at_least": at_least, "below": below, "at_most": at_most, "equals": equals}
    given = {name: value for name, value in claims.items() if value is not None}
    if len(given) != 1:
        raise StatisticsError(f"verdict: needs exactly one of {', '.join(claims)}; got {', '.join(given) or 'none'}.")
    (claim, t), low, high = *given.items(), interval.low, interval.high
    if not math.isfinite(t):
        raise StatisticsError(f"verdict: {claim} is {t}; it must be a finite number.")
    if claim == "equals":
        return "pass" if math.isclose(interval.estimate, t, rel_tol=1e-9, abs_tol=1e-9) else "fail"
    passes, fails = {
        "above": (low > t, high <= t),
        "at_least": (low >= t, high < t),
        "below": (high < t, low >= t),
        "at_most": (high <= t, low > t),
    }[claim]
    return "pass" if passes else "fail" if fails else "inconclusive"


# Input, checked where it enters.


def _scores(name: str, values: Sequence[float]) -> np.ndarray:
    try:
        x = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"{name}: not a list of numbers ({error}).") from None
    if x.ndim != 1:
        raise StatisticsError(f"{name} has shape {x.shape}; it must be one number per sample, shape (n,).")
    if x.size == 0:
        raise StatisticsError(f"{name} is empty; at least one score is needed.")
    bad = np.flatnonzero(~np.isfinite(x))
    if bad.size:
        raise StatisticsError(
            f"{name}[{bad[0]}] is {x[bad[0]]} ({bad.size} of {x.size} are not finite).",
            "Find out why before averaging; leaving such samples out changes what is measured.",
        )
    return x


def _pair(
    candidate: Sequence[float], baseline: Sequence[float], clusters: Sequence[Hashable] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    x, y = _scores("candidate", candidate), _scores("baseline", baseline)
    if x.size != y.size:
        raise StatisticsError(f"candidate has {x.size} scores, baseline has {y.size}.", "Pair them by sample id first.")
    return x, y, _groups(clusters, x.size)


def _groups(clusters: Sequence[Hashable] | None, n: int) -> np.ndarray | None:
    """Cluster numbers 0..G-1, shape (n,)."""
    if clusters is None:
        return None
    if len(clusters) != n:
        raise StatisticsError(f"clusters has {len(clusters)} names for {n} scores.", "Give one per score.")
    numbers: dict[Hashable, int] = {}
    for i, name in enumerate(clusters):
        if name is None or (isinstance(name, float) and math.isnan(name)):
            raise StatisticsError(f"clusters[{i}] is {name}.", "A sample on its own is a cluster of its own.")
        numbers.setdefault(name, len(numbers))
    if len(numbers) < 2:
        raise StatisticsError(f"clusters: all {n} scores are in one cluster.", "At least 2 are needed.")
    groups = np.array([numbers[name] for name in clusters])
    return groups


def _alpha(level: float) -> float:
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level}; it must lie between 0 and 1, as 0.95 does.")
    return 1 - level


def _all_in(x: np.ndarray, allowed: tuple[float, ...]) -> bool:
    return bool(np.isin(x, allowed).all())


def _mean(x: np.ndarray) -> float:
    return float(x.mean())


# Means.


def _t(alpha: float, df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - alpha / 2))


def _standard_error(name: str, x: np.ndarray, groups: np.ndarray | None) -> tuple[float, int, str]:
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


def _effective_n(x: np.ndarray, groups: np.ndarray | None, extremes: tuple[float, float], alpha: float) -> float:
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
    return float(min(n, n / design_effect * (_t(alpha, n - 1) / _t(alpha, units - 1)) ** 2))


def _effective(n: float, x: np.ndarray, groups: np.ndarray | None) -> str:
    return "" if groups is None else f", cluster-robust ({n:.0f} of {x.size} samples effective)"


# Proportions; counts may be fractions of samples, where clusters shrink them.


def _proportion(right: float, n: float, alpha: float) -> tuple[float, float, str]:
    if min(right, n - right) < FEW_ANSWERS:
        return *_clopper_pearson(right, n, alpha), "Clopper-Pearson"
    from scipy.special import ndtri

    z, p = float(ndtri(1 - alpha / 2)), right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return float(centre - half), float(centre + half), "Wilson"


def _clopper_pearson(right: float, n: float, alpha: float) -> tuple[float, float]:
    from scipy.special import betaincinv

    low = float(betaincinv(right, n - right + 1, alpha / 2)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - alpha / 2)) if right < n else 1.0
    return low, high


def _paired_proportions(better: float, worse: float, n: float, alpha: float) -> tuple[float, float]:
    """The wider end on each side, of Tango's interval and of Clopper-Pearson on discordant samples."""
    low, high = _tango(better, worse, n, alpha)
    discordant = better + worse
    if discordant > 0:
        share_low, share_high = _clopper_pearson(better, discordant, alpha)
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


# Bootstrap.


def _bca(
    statistic: Callable[[np.ndarray], float],
    samples: int | Sequence,
    level: float,
    resamples: int,
    seed: int,
    clusters: Sequence[Hashable] | None,
    test_zero: bool,
) -> Interval:
    from scipy.special import ndtr, ndtri

    alpha = _alpha(level)
    n = len(samples) if hasattr(samples, "__len__") else int(samples)
    estimate, values, without = _resampled(statistic, n, resamples, seed, _groups(clusters, n))
    method = f"BCa bootstrap, {resamples} resamples"
    if np.ptp(values) == 0:
        p = float(estimate == 0) if test_zero else None
        return Interval(estimate, estimate, estimate, p, n, f"{method}; no spread to judge by", level)
    influence = without.mean() - without
    scale = np.sum(influence**2) ** 1.5
    acceleration = np.sum(influence**3) / (6 * scale) if scale > 0 else 0.0
    z0 = ndtri(_share_below(values, estimate))
    z = z0 + ndtri([alpha / 2, 1 - alpha / 2])
    low, high = np.quantile(values, ndtr(z0 + z / (1 - acceleration * z)))
    p = None
    if test_zero:  # the same map backwards, from the share of values below 0
        y = ndtri(_share_below(values, 0.0)) - z0
        u = y / max(1 + acceleration * y, 1e-3)
        p = float(np.clip(2 * ndtr(-abs(u - z0)), 1 / resamples, 1))
    return Interval(estimate, float(low), float(high), p, n, method, level)


def _resampled(
    statistic: Callable[[np.ndarray], float], n: int, resamples: int, seed: int, groups: np.ndarray | None
) -> tuple[float, np.ndarray, np.ndarray]:
    """The statistic on all samples, on each resample (resamples,), and without each jackknife block."""
    units = n if groups is None else int(groups.max()) + 1
    if units < 2:
        raise StatisticsError(f"bootstrap: n is {n}.", "At least 2 samples are needed, some 100 to be trusted.")
    if resamples < 100:
        raise StatisticsError(f"bootstrap: resamples is {resamples}.", "At least 100 are needed.")
    if groups is not None:
        members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])

    def measure(drawn: np.ndarray) -> float:
        index = drawn if groups is None else np.concatenate([members[unit] for unit in drawn])
        value = float(statistic(index))
        if not math.isfinite(value):
            raise StatisticsError(f"bootstrap: the statistic is {value} on {index.size} drawn samples.")
        return value

    generator = np.random.default_rng(seed)
    everything = np.arange(units)
    blocks = np.array_split(everything, min(units, JACKKNIFE_BLOCKS))
    values = [measure(generator.integers(0, units, size=units)) for _ in range(resamples)]
    without = [measure(np.delete(everything, block)) for block in blocks]
    return measure(everything), np.array(values), np.array(without)


def _share_below(values: np.ndarray, point: float) -> float:
    """Share of values below the point, ties by half, kept off 0 and 1 by half a value."""
    share = np.mean(values < point) + np.mean(values == point) / 2
    return float(np.clip(share, 0.5 / values.size, 1 - 0.5 / values.size))


# Power.


def _z_sum(power: float, level: float) -> float:
    from scipy.special import ndtri

    if not 0 < power < 1:
        raise StatisticsError(f"power is {power}; it must lie between 0 and 1, as 0.8 does.")
    return float(ndtri(1 - _alpha(level) / 2) + ndtri(power))


def _spread(sd: float | None, p: float | None, discordant: float | None, paired: bool) -> float:
    """Standard deviation of one difference; see minimum_detectable_difference."""
    given = [name for name, value in (("sd", sd), ("p", p), ("discordant", discordant)) if value is not None]
    if len(given) > 1:
        raise StatisticsError(f"give one of sd, p, discordant; got {' and '.join(given)}.")
    if sd is not None:
        if not (math.isfinite(sd) and sd > 0):
            raise StatisticsError(f"sd is {sd}; it must be a positive number.")
        return sd if paired else math.sqrt(2) * sd
    if discordant is not None:
        if not paired:
            raise StatisticsError("discordant says how paired answers differ; for unpaired sides give p or sd.")
        if not 0 < discordant <= 1:
            raise StatisticsError(f"discordant is {discordant}; it must be a share above 0, up to 1.")
        return math.sqrt(discordant)
    p = 0.5 if p is None else p
    if not 0 < p < 1:
        raise StatisticsError(f"p is {p}; it must lie between 0 and 1, both excluded.")
    return math.sqrt(2 * p * (1 - p))
