"""What statistics give, as frozen values. Plain Python: they are read where nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided confidence interval; p_value is None where nothing is tested.

    effect_size, of differences alone: Cohen's d_z, mean over standard deviation of the differences; of 0/1 scores
    Cohen's g, the share of discordant samples that the candidate won, less one half (Cohen 1988, chapters 2 and 5).
    """

    estimate: float
    low: float
    high: float
    p_value: float | None
    n: int
    method: str
    level: float = 0.95
    effect_size: float | None = None


@dataclass(frozen=True)
class SamplingPlan:
    """What is known of a sequence of samples before the first is drawn, and must not be chosen after it."""

    tune_at: int = 500  # samples at which its interval is narrowest
    largest_cluster: int | None = None  # samples that belong together, at most


@dataclass(frozen=True)
class Resampling:
    """How often samples are drawn anew, and by which random numbers."""

    times: int = 2000
    seed: int = 0


USUAL = Resampling()

MANY_CUT = 0.1  # share of completions cut at max_new_tokens above which verdicts and reports say so
LEAST_SHOWN = 1e-10  # a p-value below this is given as a bound: more digits would only boast


def p_in_words(value: float) -> str:
    """'= 0.0012', or '< 1e-10'."""
    return f"= {value:.2g}" if value >= LEAST_SHOWN else f"< {LEAST_SHOWN:g}"
