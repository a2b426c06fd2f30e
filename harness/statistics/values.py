"""What every statistic takes: scores and clusters, checked where they enter; and quantiles.

scipy is imported inside the functions: scipy.special, which holds all that is needed, loads in a third of
scipy.stats' time, and only where something is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from harness.errors import StatisticsError

LEAST_P = 1e-12  # below this, a p-value found by inverting an interval is given as this
MOST_P = 0.999  # and above this as 1


def checked(name: str, values: Sequence[float]) -> np.ndarray:
    """Finite numbers, shape (n,) with n >= 1; StatisticsError names the first that is not."""
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


def checked_pair(
    candidate: Sequence[float], baseline: Sequence[float], clusters: Sequence[Hashable] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Both sides, of one length, and the cluster numbers."""
    x, y = checked("candidate", candidate), checked("baseline", baseline)
    if x.size != y.size:
        raise StatisticsError(f"candidate has {x.size} scores, baseline has {y.size}.", "Pair them by sample id first.")
    return x, y, cluster_numbers(clusters, x.size)


def cluster_numbers(clusters: Sequence[Hashable] | None, n: int) -> np.ndarray | None:
    """Cluster numbers 0..G-1, shape (n,); None where every sample is a cluster of its own."""
    if clusters is None:
        return None
    if len(clusters) != n:
        raise StatisticsError(f"clusters has {len(clusters)} names for {n} scores.", "Give one per score.")
    numbers: dict[Hashable, int] = {}
    for i, name in enumerate(clusters):
        if name is None or (isinstance(name, float) and math.isnan(name)):
            raise StatisticsError(f"clusters[{i}] is {name}.", "A sample on its own is a cluster of its own.")
        numbers.setdefault(name, len(numbers))
    if len(numbers) == n:
        return None
    if len(numbers) < 2:
        raise StatisticsError(f"clusters: all {n} scores are in one cluster.", "At least 2 are needed.")
    return np.array([numbers[name] for name in clusters])


def error_rate(level: float) -> float:
    """alpha = 1 - level."""
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level}; it must lie between 0 and 1, as 0.95 does.")
    return 1 - level


def all_in(x: np.ndarray, allowed: tuple[float, ...]) -> bool:
    """Whether every value is one of those allowed."""
    return bool(np.isin(x, allowed).all())


def t_quantile(alpha: float, df: float) -> float:
    """The two-sided critical value of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - alpha / 2))


def t_p_value(distance: float, error: float, df: float) -> float:
    """Two-sided p of a distance from the null in units of its standard error.

    Where that error is 0, since all values are equal, the sign test's: that many coins all fall on one side.
    """
    from scipy.special import stdtr

    if error == 0:
        return 1.0 if abs(distance) < 1e-12 else 2.0**-df
    return min(1.0, 2 * float(stdtr(df, -abs(distance) / error)))


def inverted(ends_at: Callable[[float], tuple[float, float]], value: float) -> float:
    """Two-sided p of a value: the smallest error rate alpha whose interval `ends_at(alpha)` leaves it out."""

    def excludes(alpha: float) -> bool:
        low, high = ends_at(alpha)
        return not low <= value <= high

    if excludes(LEAST_P):
        return LEAST_P
    if not excludes(MOST_P):
        return 1.0
    kept, refused = math.log(LEAST_P), math.log(MOST_P)
    for _ in range(50):
        middle = (kept + refused) / 2
        if excludes(math.exp(middle)):
            refused = middle
        else:
            kept = middle
    return math.exp(refused)
