"""An interval against a threshold: pass, fail or inconclusive. Plain Python: every session that judges needs it."""

from __future__ import annotations

import math
from typing import Literal

from harness.errors import StatisticsError
from harness.statistics.interval import Interval

Rule = Literal["pass", "fail", "inconclusive"]


def verdict(
    interval: Interval,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    equals: float | None = None,
) -> Rule:
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
