"""The interval of one comparison, which allows for the repeated looks of --adaptive.

Looking again and again at an ordinary 95 % interval misses the truth at some look far more often than in 5 % of cases.
So of the error rate ALPHA a share EARLY goes to a confidence sequence, which holds at all looks at once, and the rest
to the ordinary interval of the whole suite, which counts only where the whole suite was measured. Either may decide:
together they are wrong in ALPHA of cases at most (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import SuiteError
from harness.evaluation import Evaluation
from harness.scoring.metrics import Mean, Metric
from harness.suite import Scores

if TYPE_CHECKING:
    from harness.statistics import Interval

ALPHA = 0.05
EARLY = 0.2  # share of ALPHA spent on the looks of --adaptive


@dataclass(frozen=True)
class Comparison:
    """Scores of both sides in one order, and what their difference is tested against."""

    metric: Metric
    ours: list[Scores]
    theirs: list[Scores] | None  # None where a number is on the other side
    clusters: list[str | None]
    against: float

    def at(self, level: float) -> Interval:
        """The ordinary interval, of the difference or of our own score."""
        if self.theirs is None:
            return self.metric.interval(self.ours, self.clusters, level, self.against)
        return self.metric.difference(self.ours, self.theirs, self.clusters, level, self.against)


def interval_of(comparison: Comparison, sides: Sequence[Evaluation], level: float = 1 - ALPHA) -> Interval:
    """The comparison's interval at that level; any of the evaluations `sides` may have been stopped early."""
    adaptive = [side for side in sides if side.adaptive]
    if not adaptive:
        return comparison.at(level)
    alpha = 1 - level
    weighed = _sequence(comparison, adaptive[0], alpha)
    stopped = next((side for side in adaptive if side.spared), None)
    if stopped is None:
        weighed.append((1 - EARLY, comparison.at(1 - alpha * (1 - EARLY))))
    if not weighed:
        assert stopped is not None
        raise SuiteError(
            f"suite {stopped.suite}: --adaptive stopped it after {len(stopped.samples):,} of {stopped.available:,} "
            f"samples, and {comparison.metric.name!r} can only be judged on all.",
            "Run without --adaptive.",
        )
    return replace(
        weighed[-1][1],
        low=max(interval.low for _, interval in weighed),
        high=min(interval.high for _, interval in weighed),
        p_value=min(1.0, *((interval.p_value or 0.0) / weight for weight, interval in weighed)),
        method="; or ".join(interval.method for _, interval in weighed),
        level=level,
    )


def _sequence(comparison: Comparison, side: Evaluation, alpha: float) -> list[tuple[float, Interval]]:
    """The confidence sequence with its share of the error rate; none for a metric without declared bounds."""
    from harness.statistics import SamplingPlan

    metric = comparison.metric
    if not isinstance(metric, Mean) or metric.bounds is None:
        return []
    plan = SamplingPlan(tune_at=max(1, side.available // 2), largest_cluster=side.largest_cluster)
    level, clusters = 1 - alpha * EARLY, comparison.clusters
    return [(EARLY, metric.sequence(comparison.ours, comparison.theirs, clusters, level, comparison.against, plan))]
