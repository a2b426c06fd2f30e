"""The mean of a score over samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import StatisticsError, SuiteError, check_types
from harness.scoring.metrics.rows import Better, Clusters, ScoreRows, column, concerned, noted, usable

if TYPE_CHECKING:
    from harness.statistics import Interval, SamplingPlan


@dataclass(frozen=True)
class Mean:
    """The mean of one score over the samples that it concerns: those where it is not None.

    `bounds` are the lowest and highest value a score can have. Intervals are cut off there; --adaptive needs them.
    `better` says which of two scores is the better one, for the report; None where neither is.
    """

    name: str
    bounds: tuple[float, float] | None = None
    better: Better | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_types(self, SuiteError)
        if self.bounds is not None:
            object.__setattr__(self, "bounds", tuple(self.bounds))

    def interval(
        self, rows: ScoreRows, clusters: Clusters = None, level: float = 0.95, against: float | None = None
    ) -> Interval:
        """The mean with its interval over the samples."""
        from harness import statistics

        scores, clusters = concerned(rows, self.name, clusters)
        interval = noted(statistics.mean_interval(scores, usable(clusters), level, against), clusters)
        if self.bounds is None:
            return interval
        least, most = self.bounds
        return replace(interval, low=max(interval.low, least), high=min(interval.high, most))

    def difference(
        self,
        candidate: ScoreRows,
        baseline: ScoreRows,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """candidate - baseline with its interval. The samples are paired, so both sides must be in the same order."""
        from harness import statistics

        ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
        return noted(statistics.paired_difference(ours, theirs, usable(clusters), level, against), clusters)

    def non_inferior(
        self, candidate: ScoreRows, baseline: ScoreRows, margin: float, clusters: Clusters = None, rises: bool = False
    ) -> Interval:
        """candidate - baseline with a 90 % interval; the p-value is one-sided and tests "worse by `margin` or more".

        `rises` says that the metric gets worse when it rises, as a loss does.
        """
        from harness import statistics

        ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
        if not rises:
            return noted(statistics.non_inferior(ours, theirs, margin, usable(clusters)), clusters)
        # For a score of which less is better, the same test with the sides exchanged, and the signs turned back after.
        interval = noted(statistics.non_inferior(theirs, ours, margin, usable(clusters)), clusters)
        return replace(interval, estimate=-interval.estimate, low=-interval.high, high=-interval.low)

    def over_seeds(
        self,
        candidates: Sequence[ScoreRows],
        baselines: Sequence[ScoreRows] | None,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """The mean (or with baselines the difference) over S training seeds and n samples.

        `candidates` and `baselines` hold the rows of each seed, all with the same samples in the same order.
        """
        from harness import statistics

        kept = [[i for i, value in enumerate(column(rows, self.name)) if value is not None] for rows in candidates]
        if any(positions != kept[0] for positions in kept):
            raise StatisticsError(f"score {self.name!r} does not concern the same samples under every seed.")
        if baselines is None:
            columns = [concerned(rows, self.name, clusters) for rows in candidates]
            scores, groups = [values for values, _ in columns], columns[0][1]
            alone = [self.interval(rows, clusters, level, against) for rows in candidates]
        else:
            sides = list(zip(candidates, baselines, strict=True))
            pairs = [self._pairs(a, b, clusters) for a, b in sides]
            scores, groups = [[x - y for x, y in zip(a, b, strict=True)] for a, b, _ in pairs], pairs[0][2]
            alone = [self.difference(a, b, clusters, level, against) for a, b in sides]
        interval = noted(statistics.nested_interval(scores, usable(groups), level, against), groups)
        right_or_wrong = all(value in (-1.0, 0.0, 1.0) for of_seed in scores for value in of_seed)
        return _no_narrower(interval, alone) if right_or_wrong else interval

    def sequence(
        self,
        candidate: ScoreRows,
        baseline: ScoreRows | None,
        clusters: Clusters,
        level: float,
        against: float,
        plan: SamplingPlan,
    ) -> Interval:
        """The mean, or the difference, as a confidence sequence over the samples asked so far, in the order drawn."""
        from harness import statistics

        assert self.bounds is not None
        low, high = self.bounds
        if baseline is None:
            scores, clusters = concerned(candidate, self.name, clusters)
        else:
            ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
            scores = [a - b for a, b in zip(ours, theirs, strict=True)]
            low, high = low - high, high - low  # of a difference of two such scores
        groups = usable(clusters)
        plan = plan if groups else replace(plan, largest_cluster=None)
        return statistics.confidence_sequence(scores, (low, high), groups, level, against, plan)

    def estimate(self, rows: ScoreRows) -> float:
        """The mean over the samples."""
        scores, _ = concerned(rows, self.name)
        return sum(scores) / len(scores)

    def of_sample(self, scores: Mapping[str, Any]) -> float | None:
        """One sample's score; None where it does not apply."""
        value = scores.get(self.name)
        return float(value) if isinstance(value, int | float) else None

    def _pairs(
        self, candidate: ScoreRows, baseline: ScoreRows, clusters: Clusters
    ) -> tuple[list[float], list[float], Clusters]:
        """Both sides' scores that are not None. Raises StatisticsError if only one of a pair is None, or all are."""
        ours, theirs = column(candidate, self.name), column(baseline, self.name)
        both = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a is not None and b is not None]
        if not both or len(both) != sum(a is not None or b is not None for a, b in zip(ours, theirs, strict=True)):
            raise StatisticsError(f"score {self.name!r} does not concern the same samples on both sides.")
        kept = None if clusters is None else [clusters[i] for i in both]
        return [float(ours[i]) for i in both], [float(theirs[i]) for i in both], kept  # type: ignore[arg-type]


def _no_narrower(interval: Interval, alone: Sequence[Interval]) -> Interval:
    """The interval over seeds, at least as wide on each side as the intervals of single seeds are on average.

    For 0/1 scores a t interval is too narrow if nearly all answers are right, or nearly all wrong. The interval of a
    single seed (Wilson, Clopper and Pearson) is not.
    """
    below = sum(single.estimate - single.low for single in alone) / len(alone)
    above = sum(single.high - single.estimate for single in alone) / len(alone)
    p_values = [single.p_value for single in alone if single.p_value is not None]
    return replace(
        interval,
        low=min(interval.low, interval.estimate - below),
        high=max(interval.high, interval.estimate + above),
        p_value=max(interval.p_value or 0.0, *p_values)
        if interval.low == interval.high and p_values
        else interval.p_value,
    )
