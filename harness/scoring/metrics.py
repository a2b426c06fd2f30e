"""Scores of many samples -> one number with its interval, alone or against another subject, over one seed or several.

A metric is a plain value: it is stored with an evaluation, so that two evaluations can be compared later
without the suite that made them. `against` is the number that the p-value is about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import StatisticsError

if TYPE_CHECKING:
    from harness.statistics import Interval  # which imports numpy: a session with nothing to compute does without

Rows = Sequence[Mapping[str, Any]]  # the scores of each sample
Clusters = Sequence[str | None] | None
CORPUS_RESAMPLES = 1000  # of BLEU and chrF, whose statistic is slow


@dataclass(frozen=True)
class Mean:
    """The mean of one score over the samples that it concerns; None says that it does not concern a sample.

    `bounds` are those of the score itself, which an interval does not leave; --adaptive needs them.
    """

    name: str
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None:
            object.__setattr__(self, "bounds", tuple(self.bounds))

    def interval(
        self, rows: Rows, clusters: Clusters = None, level: float = 0.95, against: float | None = None
    ) -> Interval:
        """Estimate and interval over the samples."""
        from harness import statistics

        scores, clusters = concerned(rows, self.name, clusters)
        found = _noted(statistics.mean_interval(scores, _usable(clusters), level, against), clusters)
        if self.bounds is None:
            return found
        least, most = self.bounds
        return replace(found, low=max(found.low, least), high=min(found.high, most))

    def difference(
        self, candidate: Rows, baseline: Rows, clusters: Clusters = None, level: float = 0.95, against: float = 0.0
    ) -> Interval:
        """candidate - baseline, paired by position."""
        from harness import statistics

        ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
        return _noted(statistics.paired_difference(ours, theirs, _usable(clusters), level, against), clusters)

    def non_inferior(
        self, candidate: Rows, baseline: Rows, margin: float, clusters: Clusters = None, rises: bool = False
    ) -> Interval:
        """candidate - baseline at 90 %; p is one-sided, against "worse by margin or more"; `rises`: lower is better."""
        from harness import statistics

        ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
        if not rises:
            return _noted(statistics.non_inferior(ours, theirs, margin, _usable(clusters)), clusters)
        found = _noted(statistics.non_inferior(theirs, ours, margin, _usable(clusters)), clusters)
        return replace(found, estimate=-found.estimate, low=-found.high, high=-found.low)

    def over_seeds(
        self,
        candidates: Sequence[Rows],
        baselines: Sequence[Rows] | None,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """The mean, or the difference, over training seeds and samples: one Rows per seed, in the same order.

        Of right and wrong answers it is no narrower than a single seed's own intervals are on average: a t interval
        is too narrow where nearly all are right, or wrong.
        """
        from harness import statistics

        kept = [[i for i, value in enumerate(_scores(rows, self.name)) if value is not None] for rows in candidates]
        if any(one != kept[0] for one in kept):
            raise StatisticsError(f"score {self.name!r} does not concern the same samples under every seed.")
        if baselines is None:
            columns = [concerned(rows, self.name, clusters) for rows in candidates]
            scores, own = [column for column, _ in columns], columns[0][1]
            alone = [self.interval(rows, clusters, level, against) for rows in candidates]
        else:
            pairs = [self._pairs(a, b, clusters) for a, b in zip(candidates, baselines, strict=True)]
            scores, own = [[x - y for x, y in zip(a, b, strict=True)] for a, b, _ in pairs], pairs[0][2]
            alone = [
                self.difference(a, b, clusters, level, against) for a, b in zip(candidates, baselines, strict=True)
            ]
        found = _noted(statistics.nested_interval(scores, _usable(own), level, against), own)
        if not all(value in (-1.0, 0.0, 1.0) for column in scores for value in column):
            return found
        below = sum(one.estimate - one.low for one in alone) / len(alone)
        above = sum(one.high - one.estimate for one in alone) / len(alone)
        p_values = [one.p_value for one in alone if one.p_value is not None]
        return replace(
            found,
            low=min(found.low, found.estimate - below),
            high=max(found.high, found.estimate + above),
            p_value=max(found.p_value or 0.0, *p_values) if found.low == found.high and p_values else found.p_value,
        )

    def sequence(
        self,
        candidate: Rows,
        baseline: Rows | None,
        clusters: Clusters,
        level: float,
        tune_at: int,
        against: float,
        largest_cluster: int,
    ) -> Interval:
        """The mean, or the difference, as a confidence sequence: the samples so far, in the order drawn."""
        from harness import statistics

        assert self.bounds is not None
        low, high = self.bounds
        if baseline is None:
            scores, clusters = concerned(candidate, self.name, clusters)
        else:
            ours, theirs, clusters = self._pairs(candidate, baseline, clusters)
            scores = [a - b for a, b in zip(ours, theirs, strict=True)]
            low, high = low - high, high - low
        groups = _usable(clusters)
        return statistics.confidence_sequence(
            scores, (low, high), groups, level, tune_at, against, largest_cluster if groups else None
        )

    def estimate(self, rows: Rows) -> float:
        """The metric over the samples."""
        scores, _ = concerned(rows, self.name)
        return sum(scores) / len(scores)

    def of_sample(self, scores: Mapping[str, Any]) -> float | None:
        """One sample's score; None where it does not concern it."""
        value = scores.get(self.name)
        return float(value) if isinstance(value, int | float) else None

    def _pairs(self, candidate: Rows, baseline: Rows, clusters: Clusters) -> tuple[list[float], list[float], Clusters]:
        """Both sides' scores of the samples that it concerns; StatisticsError where those are not the same."""
        ours, theirs = _scores(candidate, self.name), _scores(baseline, self.name)
        both = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a is not None and b is not None]
        if not both or len(both) != sum(a is not None or b is not None for a, b in zip(ours, theirs, strict=True)):
            raise StatisticsError(f"score {self.name!r} does not concern the same samples on both sides.")
        kept = None if clusters is None else [clusters[i] for i in both]
        return [float(ours[i]) for i in both], [float(theirs[i]) for i in both], kept  # type: ignore[arg-type]


class _OfCorpus:
    """What the metrics of a whole corpus share: intervals by drawing samples, a test by exchanging answers."""

    resamples = 2000

    def _statistic(self, rows: Rows) -> Any:
        raise NotImplementedError

    def interval(
        self, rows: Rows, clusters: Clusters = None, level: float = 0.95, against: float | None = None
    ) -> Interval:
        """Estimate and BCa bootstrap interval over the samples."""
        from harness import statistics

        found = statistics.bootstrap_interval(
            self._statistic(rows), len(rows), level, self.resamples, clusters=_usable(clusters), against=against
        )
        return _noted(found, clusters)

    def difference(
        self, candidate: Rows, baseline: Rows, clusters: Clusters = None, level: float = 0.95, against: float = 0.0
    ) -> Interval:
        """candidate - baseline, both resampled together; p of "no difference" by exchanging answers."""
        from harness import statistics

        found = self._resampled([candidate], [baseline], clusters, level, against)
        if against:
            return found
        p = statistics.paired_randomization(
            self._statistic([*candidate, *baseline]), len(candidate), self.resamples, clusters=_usable(clusters)
        )
        return replace(found, p_value=p, method=f"{found.method}; answers exchanged at random")

    def non_inferior(
        self, candidate: Rows, baseline: Rows, margin: float, clusters: Clusters = None, rises: bool = False
    ) -> Interval:
        """candidate - baseline at 90 %; p is one-sided, against "worse by margin or more"; `rises`: lower is better."""
        edge = margin if rises else -margin
        found = self._resampled([candidate], [baseline], clusters, 0.9, edge)
        assert found.p_value is not None
        better = found.estimate < edge if rises else found.estimate > edge
        p = found.p_value / 2 if better else 1 - found.p_value / 2
        return replace(found, p_value=p, method=f"{found.method}; 90 % two-sided interval, one-sided p")

    def over_seeds(
        self,
        candidates: Sequence[Rows],
        baselines: Sequence[Rows] | None,
        clusters: Clusters = None,
        level: float = 0.95,
        against: float = 0.0,
    ) -> Interval:
        """The metric, or the difference, averaged over training seeds: one Rows per seed, in the same order."""
        from harness import statistics

        estimates = [self.estimate(rows) for rows in candidates]
        if baselines is not None:
            estimates = [own - self.estimate(rows) for own, rows in zip(estimates, baselines, strict=True)]
        sampling = self._resampled(candidates, baselines, clusters, level, against)
        return statistics.across_seeds(estimates, sampling, against)

    def estimate(self, rows: Rows) -> float:
        """The metric over the samples."""
        import numpy

        return float(self._statistic(rows)(numpy.arange(len(rows))))

    def of_sample(self, scores: Mapping[str, Any]) -> float | None:
        """The metric over one sample alone: how loud it speaks."""
        import numpy

        return float(self._statistic([scores])(numpy.array([0])))

    def _resampled(
        self,
        candidates: Sequence[Rows],
        baselines: Sequence[Rows] | None,
        clusters: Clusters,
        level: float,
        against: float,
    ) -> Interval:
        """The BCa interval of the seeds' average, the same samples drawn for all."""
        from harness import statistics

        def average(sides: Sequence[Rows]) -> Any:
            found = [self._statistic(rows) for rows in sides]
            return lambda index: sum(statistic(index) for statistic in found) / len(found)

        n, groups = len(candidates[0]), _usable(clusters)
        if baselines is None:
            found = statistics.bootstrap_interval(
                average(candidates), n, level, self.resamples, clusters=groups, against=against
            )
        else:
            found = statistics.paired_bootstrap(
                average(candidates), average(baselines), n, level, self.resamples, clusters=groups, against=against
            )
        return _noted(found, clusters)


@dataclass(frozen=True)
class Ratio(_OfCorpus):
    """A sum over a sum, as corpus metrics are: bits over bytes, or exp(nats over tokens)."""

    name: str
    numerator: str
    denominator: str
    form: Literal["plain", "exp"] = "plain"

    def _statistic(self, rows: Rows) -> Any:
        import numpy

        top = numpy.array(_column(rows, self.numerator))
        bottom = numpy.array(_column(rows, self.denominator))

        def statistic(index: Any) -> float:
            ratio = float(top[index].sum() / bottom[index].sum())
            return math.exp(min(ratio, 700.0)) if self.form == "exp" else ratio

        return statistic


@dataclass(frozen=True)
class Corpus(_OfCorpus):
    """BLEU (Papineni et al. 2002) or chrF (Popovic 2015) over a corpus, from the counts of its samples."""

    name: Literal["bleu", "chrf"]

    resamples = CORPUS_RESAMPLES

    def counts(self, answer: str, reference: str) -> list[float]:
        """One sample's n-gram counts, as sacrebleu sums them over a corpus."""
        return [float(count) for count in self._metric()._extract_corpus_statistics([answer], [[reference]])[0]]

    @cache  # noqa: B019  (a metric is a constant)
    def _metric(self) -> Any:
        from sacrebleu.metrics import BLEU, CHRF

        return BLEU(effective_order=False) if self.name == "bleu" else CHRF()

    def _statistic(self, rows: Rows) -> Any:
        import numpy

        counts = numpy.array([row[f"{self.name}_counts"] for row in rows])
        metric = self._metric()
        return lambda index: float(metric._compute_score_from_stats(counts[index].sum(0).astype(int).tolist()).score)


Metric = Mean | Ratio | Corpus
KINDS: dict[str, type[Mean] | type[Ratio] | type[Corpus]] = {"Mean": Mean, "Ratio": Ratio, "Corpus": Corpus}


def metric_from(stored: Mapping[str, Any]) -> Metric:
    """The metric that `harness.fingerprint.plain` wrote down."""
    fields = {name: value for name, value in stored.items() if name != "is"}
    return KINDS[stored["is"]](**fields)


def metrics_of(declared: Sequence[Metric], rows: Rows) -> list[Metric]:
    """The metrics declared, or else the mean of every score."""
    if declared:
        return list(declared)
    names = dict.fromkeys(name for row in rows for name in row)
    return [Mean(name) for name in names]


def concerned(rows: Rows, name: str, clusters: Clusters = None) -> tuple[list[float], Clusters]:
    """The scores that are not None, and their clusters; StatisticsError where there is none."""
    scores = _scores(rows, name)
    kept = [i for i, score in enumerate(scores) if score is not None]
    if not kept:
        raise StatisticsError(f"score {name!r} concerns none of the {len(rows)} samples.")
    return [float(scores[i]) for i in kept], None if clusters is None else [clusters[i] for i in kept]  # type: ignore[arg-type]


def _scores(rows: Rows, name: str) -> list[float | None]:
    missing = [i for i, row in enumerate(rows) if name not in row]
    if missing:
        raise StatisticsError(
            f"score {name!r} is missing on {len(missing)} of {len(rows)} samples (first: number {missing[0]})."
        )
    return [None if row[name] is None else float(row[name]) for row in rows]


def _column(rows: Rows, name: str) -> list[float]:
    scores = _scores(rows, name)
    if None in scores:
        raise StatisticsError(
            f"score {name!r} is None on sample number {scores.index(None)}, and a sum over the corpus needs it everywhere."
        )
    return [float(score) for score in scores if score is not None]


def _usable(clusters: Clusters) -> Sequence[str] | None:
    """Clusters where they group anything: a sample without one stands alone. None where all stand alone or together."""
    if clusters is None:
        return None
    names = [f"{i}" if cluster is None else f"of {cluster}" for i, cluster in enumerate(clusters)]
    return names if 1 < len(set(names)) < len(names) else None


def _noted(found: Interval, clusters: Clusters) -> Interval:
    """The interval; where all samples are in one cluster, with a word on that: how alike they are cannot be known."""
    if clusters is None or len(clusters) < 2 or None in clusters or len(set(clusters)) > 1:
        return found
    return replace(found, method=f"{found.method}; all in one cluster, taken as independent")
