"""Metrics of a whole corpus: ratios of sums, BLEU, chrF. Their intervals come from resampling (the bootstrap)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.errors import SuiteError, check_types
from harness.scoring.metrics.rows import Better, Clusters, ScoreRows, full_column, noted, usable

if TYPE_CHECKING:
    from harness.statistics import Interval

CORPUS_RESAMPLES = 1000  # for BLEU and chrF, which are slow to compute


class _OfCorpus:
    """What the metrics of a whole corpus share: bootstrap intervals, and a test that exchanges the sides' answers."""

    resamples = 2000

    def _statistic(self, rows: ScoreRows) -> Any:
        """A function from positions of samples, an int array (n,) with repeats, to the metric over these samples."""
        raise NotImplementedError

    def interval(
        self, rows: ScoreRows, clusters: Clusters = None, level: float = 0.95, against: float | None = None
    ) -> Interval:
        """The metric with its BCa bootstrap interval over the samples."""
        from harness import statistics

        interval = statistics.bootstrap_interval(
            self._statistic(rows), len(rows), level, usable(clusters), against, statistics.Resampling(self.resamples)
        )
        return noted(interval, clusters)

    def difference(
        self,
        candidate: ScoreRows,
        baseline: ScoreRows,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """candidate - baseline with its interval; the same samples are drawn for both sides.

        For `against` = 0 the p-value is that of a randomization test: how often is the difference as large, if each
        sample's two answers are exchanged at random?
        """
        from harness import statistics

        interval = self._resampled([candidate], [baseline], clusters, level, against)
        if against:
            return interval
        p = statistics.paired_randomization(
            self._statistic([*candidate, *baseline]),
            len(candidate),
            usable(clusters),
            statistics.Resampling(self.resamples),
        )
        return replace(interval, p_value=p, method=f"{interval.method}; answers exchanged at random")

    def non_inferior(
        self, candidate: ScoreRows, baseline: ScoreRows, margin: float, clusters: Clusters = None, rises: bool = False
    ) -> Interval:
        """candidate - baseline with a 90 % interval; the p-value is one-sided and tests "worse by `margin` or more".

        `rises` says that the metric gets worse when it rises, as a perplexity does.
        """
        edge = margin if rises else -margin  # the difference at which the candidate is just too bad
        interval = self._resampled([candidate], [baseline], clusters, 0.9, edge)
        assert interval.p_value is not None
        better = interval.estimate < edge if rises else interval.estimate > edge
        p = interval.p_value / 2 if better else 1 - interval.p_value / 2  # from two-sided to one-sided
        return replace(interval, p_value=p, method=f"{interval.method}; 90 % two-sided interval, one-sided p")

    def over_seeds(
        self,
        candidates: Sequence[ScoreRows],
        baselines: Sequence[ScoreRows] | None,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """The metric (or with baselines the difference) averaged over training seeds.

        `candidates` and `baselines` hold the rows of each seed, all with the same samples in the same order.
        """
        from harness import statistics

        estimates = [self.estimate(rows) for rows in candidates]
        if baselines is not None:
            estimates = [ours - self.estimate(rows) for ours, rows in zip(estimates, baselines, strict=True)]
        sampling = self._resampled(candidates, baselines, clusters, level, against)
        return statistics.across_seeds(estimates, sampling, against)

    def estimate(self, rows: ScoreRows) -> float:
        """The metric over the samples."""
        import numpy

        return float(self._statistic(rows)(numpy.arange(len(rows))))

    def of_sample(self, scores: Mapping[str, Any]) -> float | None:
        """The metric over one sample alone."""
        import numpy

        return float(self._statistic([scores])(numpy.array([0])))

    def _resampled(
        self,
        candidates: Sequence[ScoreRows],
        baselines: Sequence[ScoreRows] | None,
        clusters: Clusters,
        level: float,
        against: float,
    ) -> Interval:
        """The BCa interval of the average over seeds; the same samples are drawn for every seed."""
        from harness import statistics

        def average(sides: Sequence[ScoreRows]) -> Any:
            by_seed = [self._statistic(rows) for rows in sides]
            return lambda index: sum(statistic(index) for statistic in by_seed) / len(by_seed)

        n, groups, drawn = len(candidates[0]), usable(clusters), statistics.Resampling(self.resamples)
        if baselines is None:
            interval = statistics.bootstrap_interval(average(candidates), n, level, groups, against, drawn)
        else:
            both = average(candidates), average(baselines)
            interval = statistics.paired_bootstrap(both, n, level, groups, against, drawn)
        return noted(interval, clusters)


@dataclass(frozen=True)
class Ratio(_OfCorpus):
    """A sum of one score over a sum of another: bits over bytes, or with form "exp", exp(nats over tokens)."""

    name: str
    numerator: str
    denominator: str
    form: Literal["plain", "exp"] = "plain"
    better: Better | None = field(default=None, compare=False)  # for the report

    def __post_init__(self) -> None:
        check_types(self, SuiteError)

    def _statistic(self, rows: ScoreRows) -> Any:
        import numpy

        top = numpy.array(full_column(rows, self.numerator))
        bottom = numpy.array(full_column(rows, self.denominator))

        def statistic(index: Any) -> float:
            ratio = float(top[index].sum() / bottom[index].sum())
            return math.exp(min(ratio, 700.0)) if self.form == "exp" else ratio  # exp(710) overflows a float

        return statistic


@dataclass(frozen=True)
class Corpus(_OfCorpus):
    """BLEU (Papineni et al. 2002) or chrF (Popovic 2015), in [0, 100], from the summed counts of the samples."""

    name: Literal["bleu", "chrf"]

    resamples = CORPUS_RESAMPLES
    better: ClassVar[Better] = "higher"

    def __post_init__(self) -> None:
        check_types(self, SuiteError)

    def counts(self, answer: str, reference: str) -> list[float]:
        """One sample's n-gram counts, in sacrebleu's order, to be summed over the corpus."""
        return [float(count) for count in self._metric()._extract_corpus_statistics([answer], [[reference]])[0]]

    @cache  # noqa: B019  (a metric is a constant)
    def _metric(self) -> Any:
        from sacrebleu.metrics import BLEU, CHRF

        return BLEU(effective_order=False) if self.name == "bleu" else CHRF()

    def _statistic(self, rows: ScoreRows) -> Any:
        import numpy

        counts = numpy.array([row[f"{self.name}_counts"] for row in rows])
        metric = self._metric()
        return lambda index: float(metric._compute_score_from_stats(counts[index].sum(0).astype(int).tolist()).score)
