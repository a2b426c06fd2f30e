"""Before anything is measured: the least difference that n samples would show, and the samples that one needs."""

from __future__ import annotations

import math

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import error_rate

MANY_SAMPLES = 20_000  # beyond, the exact test's power is the normal theory's


def minimum_detectable_difference(
    n: int,
    sd: float | None = None,
    p: float | None = None,
    discordant: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
) -> float:
    """Smallest true difference that a two-sided test on n samples, answered by both sides, finds with this power.

    What is known of the spread of one difference is one of
    sd          its standard deviation. Miller 2024, section 5, with t for z:
                (t(1 - alpha/2) + t(power)) * sd / sqrt(n), n - 1 degrees of freedom, in the scores' unit
    discordant  share of 0/1 samples on which the two sides disagree. Exact: the difference at which
                McNemar's test, which is conservative, has that power (Duffy 1984, Biometrics 40, 1005-1015);
                1.0 where not even every discordant sample won would do
    p           accuracy of 0/1 scores, sides taken as independent: discordant = 2 p (1 - p)
    none        as p = 0.5, the worst of these; sides that agree beyond chance do better
    At n = 500: 0.083 for p = 0.3; 0.070, 0.050, 0.029 for discordant 0.30, 0.15, 0.05. Two sides that answered n
    samples each, but not the same: sd = sqrt(2) times one side's deviation; 0.081 at n = 500 for p = 0.3.
    Raises StatisticsError for n < 1, and for spread, power or level outside their range. With one sample nothing
    is detectable: infinity, or 1.0 for 0/1 scores.
    """
    if n < 1:
        raise StatisticsError(f"minimum_detectable_difference: n is {n}; it must be at least 1.")
    least = _least(n, *_spread(sd, p, discordant), power, level)
    return least if math.isfinite(least) or sd is not None else 1.0


def samples_needed(
    effect: float,
    sd: float | None = None,
    p: float | None = None,
    discordant: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
) -> int:
    """Samples on which a true difference of this size is found with this power.

    The inverse of minimum_detectable_difference, same arguments; the sign of effect does not matter.
    With sd: the least n with n >= ((t(1 - alpha/2) + t(power)) * sd / effect)^2. For 0/1 scores: an n at which the
    exact test's detectable difference is no larger, found by bisection (it falls with n but for ripples).
    For a threshold, effect is its distance from the estimate and sd the standard error times sqrt(n).
    """
    if not math.isfinite(effect) or effect == 0:
        raise StatisticsError(f"samples_needed: effect is {effect}; no number of samples finds that.")
    spread, disagreeing = _spread(sd, p, discordant)
    if disagreeing is not None and abs(effect) > disagreeing:
        raise StatisticsError(
            f"samples_needed: effect is {effect:g}, and the sides disagree on a share of {disagreeing:g} only.",
            "A difference of 0/1 scores is no larger than the share of samples they disagree on.",
        )

    def enough(n: int) -> bool:
        return _least(n, spread, disagreeing, power, level) <= abs(effect) * (1 + 1e-12)

    low, high = 0, max(1, math.ceil((_t_sum(power, level, 1e9) * spread / effect) ** 2 - 1e-9))
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _least(n: int, spread: float, disagreeing: float | None, power: float, level: float) -> float:
    """The least difference found with that power; infinity where none is."""
    if disagreeing is None or n > MANY_SAMPLES:
        return _t_sum(power, level, n - 1) * spread / math.sqrt(n)
    low, high = 0.0, disagreeing
    if _mcnemar_power(n, disagreeing, high, error_rate(level)) < power:
        return math.inf
    for _ in range(40):
        middle = (low + high) / 2
        if _mcnemar_power(n, disagreeing, middle, error_rate(level)) < power:
            low = middle
        else:
            high = middle
    return high


def _mcnemar_power(n: int, discordant: float, difference: float, alpha: float) -> float:
    """Probability that the exact McNemar test rejects, over binomially many discordant samples."""
    from scipy.special import bdtr, bdtrik, gammaln, xlog1py, xlogy

    k = np.arange(n + 1)
    weight = np.exp(
        gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, discordant) + xlog1py(n - k, -discordant)
    )
    k, weight = k[weight > 1e-12], weight[weight > 1e-12]
    critical = np.floor(np.nan_to_num(bdtrik(alpha / 2, np.maximum(k, 1), 0.5), nan=-1.0))
    critical = np.where(2 * bdtr(np.maximum(critical, 0), k, 0.5) > alpha, critical - 1, critical)
    won = (1 + difference / discordant) / 2
    rejected = bdtr(np.maximum(critical, 0), k, 1 - won) + bdtr(np.maximum(critical, 0), k, won)
    return float(np.sum(weight * np.where((critical >= 0) & (k > 0), rejected, 0.0)))


def _t_sum(power: float, level: float, df: float) -> float:
    from scipy.special import stdtrit

    if not 0 < power < 1:
        raise StatisticsError(f"power is {power}; it must lie between 0 and 1, as 0.8 does.")
    alpha = error_rate(level)
    return float(stdtrit(df, 1 - alpha / 2) + stdtrit(df, power)) if df >= 1 else math.inf


def _spread(sd: float | None, p: float | None, discordant: float | None) -> tuple[float, float | None]:
    """Standard deviation of one difference, and the share of disagreement where it is of 0/1 scores."""
    given = [name for name, value in (("sd", sd), ("p", p), ("discordant", discordant)) if value is not None]
    if len(given) > 1:
        raise StatisticsError(f"give one of sd, p, discordant; got {' and '.join(given)}.")
    if sd is not None:
        if not (math.isfinite(sd) and sd > 0):
            raise StatisticsError(f"sd is {sd}; it must be a positive number.")
        return sd, None
    if discordant is not None:
        if not 0 < discordant <= 1:
            raise StatisticsError(f"discordant is {discordant}; it must be a share above 0, up to 1.")
        return math.sqrt(discordant), discordant
    p = 0.5 if p is None else p
    if not 0 < p < 1:
        raise StatisticsError(f"p is {p}; it must lie between 0 and 1, both excluded.")
    return math.sqrt(2 * p * (1 - p)), 2 * p * (1 - p)
