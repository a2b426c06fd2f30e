"""Scores -> intervals, paired differences and verdicts; between an evaluation and its gates.

Everywhere: a score is a finite number, one per sample; a difference is candidate - baseline, sample by
sample, so both sides must be in the same order. Intervals are in the scores' own unit (0.03 of a 0/1
score is three percentage points). Only `non_inferior` asks which direction is better.

Why not the plain normal interval: it falls well short of its level below a few hundred samples
(Bowyer et al. 2025, arXiv:2503.01747). Why paired and clustered: Miller 2024, arXiv:2411.00640.
`benchmarks/statistics.py` simulates what is promised here: error rates, power, coverage.

Names are imported when first used: a session that judges stored verdicts needs no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.statistics.bootstrap import bootstrap_interval, paired_bootstrap, paired_randomization
    from harness.statistics.interval import Interval, Resampling, SamplingPlan
    from harness.statistics.means import mean_interval
    from harness.statistics.multiplicity import adjust
    from harness.statistics.paired import non_inferior, paired_difference
    from harness.statistics.power import minimum_detectable_difference, samples_needed
    from harness.statistics.rule import verdict
    from harness.statistics.seeds import NestedInterval, across_seeds, nested_interval
    from harness.statistics.sequence import confidence_sequence

HOMES = {
    "bootstrap": ("bootstrap_interval", "paired_bootstrap", "paired_randomization"),
    "interval": ("Interval", "Resampling", "SamplingPlan"),
    "means": ("mean_interval",),
    "multiplicity": ("adjust",),
    "paired": ("non_inferior", "paired_difference"),
    "power": ("minimum_detectable_difference", "samples_needed"),
    "rule": ("verdict",),
    "seeds": ("NestedInterval", "across_seeds", "nested_interval"),
    "sequence": ("confidence_sequence",),
}

__all__ = [
    "Interval",
    "NestedInterval",
    "Resampling",
    "SamplingPlan",
    "across_seeds",
    "adjust",
    "bootstrap_interval",
    "confidence_sequence",
    "mean_interval",
    "minimum_detectable_difference",
    "nested_interval",
    "non_inferior",
    "paired_bootstrap",
    "paired_difference",
    "paired_randomization",
    "samples_needed",
    "verdict",
]


def __getattr__(name: str) -> Any:
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
