"""Scores -> intervals, paired differences and verdicts; between an evaluation and its gates.

Everywhere: a score is a finite number, one per sample, higher is better; a difference is
candidate - baseline, sample by sample, so both sides must be in the same order. Intervals and
p-values are in the scores' own unit (0.03 of a 0/1 score is three percentage points).

Why not the plain normal interval: it falls well short of its level below a few hundred samples
(Bowyer et al. 2025, arXiv:2503.01747). Why paired and clustered: Miller 2024, arXiv:2411.00640.
`benchmarks/statistics.py` simulates what is promised here: error rates, power, coverage.
"""

from harness.multiplicity import adjust
from harness.statistics.bootstrap import bootstrap_interval, paired_bootstrap, paired_randomization
from harness.statistics.means import mean_interval
from harness.statistics.paired import non_inferior, paired_difference
from harness.statistics.power import minimum_detectable_difference, samples_needed
from harness.statistics.seeds import NestedInterval, across_seeds, nested_interval
from harness.statistics.sequence import confidence_sequence
from harness.statistics.values import Interval
from harness.statistics.verdict import verdict

__all__ = [
    "Interval",
    "NestedInterval",
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
