"""Scores of many samples -> one number with its interval, alone or against another subject.

A metric is a plain value: it is stored with an evaluation, so that two evaluations can be compared later
without the suite that made them.
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


@dataclass(frozen=True)
class Mean:
    """The mean of one score over the samples that it concerns; None says that it does not concern a sample.

    `bounds` are those of the score itself, which an interval does not leave.
    """

    name: str
    bounds: tuple[float, float] | None = None

    def interval(self, rows: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """Estimate and interval over the samples."""
        from harness import statistics

        scores, clusters = concerned(rows, self.name, clusters)
        found = statistics.mean_interval(scores, _usable(clusters), level=level)
        if self.bounds is None:
            return found
        least, most = self.bounds
        return replace(found, low=max(found.low, least), high=min(found.high, most))

    def difference(self, candidate: Rows, baseline: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """candidate - baseline, paired by position."""
        from harness import statistics

        ours, theirs = _scores(candidate, self.name), _scores(baseline, self.name)
        both = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a is not None and b is not None]
        if not both or len(both) != sum(a is not None or b is not None for a, b in zip(ours, theirs, strict=True)):
            raise StatisticsError(f"score {self.name!r} does not concern the same samples on both sides.")
        clusters = None if clusters is None else [clusters[i] for i in both]
        return statistics.paired_difference(
            _column(candidate, self.name), _column(baseline, self.name), _usable(clusters), level=level
        )


@dataclass(frozen=True)
class Ratio:
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

    def interval(self, rows: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """Estimate and BCa bootstrap interval over the samples."""
        from harness import statistics

        return statistics.bootstrap_interval(self._statistic(rows), len(rows), level=level, clusters=_usable(clusters))

    def difference(self, candidate: Rows, baseline: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """candidate - baseline, both resampled together."""
        from harness import statistics

        return statistics.paired_bootstrap(
            self._statistic(candidate),
            self._statistic(baseline),
            len(candidate),
            level=level,
            clusters=_usable(clusters),
        )


@dataclass(frozen=True)
class Corpus:
    """BLEU (Papineni et al. 2002) or chrF (Popovic 2015) over a corpus, from the counts of its samples."""

    name: Literal["bleu", "chrf"]

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

    def interval(self, rows: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """Estimate and BCa bootstrap interval over the samples."""
        from harness import statistics

        return statistics.bootstrap_interval(
            self._statistic(rows), len(rows), level=level, resamples=1000, clusters=_usable(clusters)
        )

    def difference(self, candidate: Rows, baseline: Rows, clusters: Clusters = None, level: float = 0.95) -> Interval:
        """candidate - baseline, both resampled together."""
        from harness import statistics

        return statistics.paired_bootstrap(
            self._statistic(candidate),
            self._statistic(baseline),
            len(candidate),
            level=level,
            resamples=1000,
            clusters=_usable(clusters),
        )


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
    return [float(score) for score in _scores(rows, name) if score is not None]


def _usable(clusters: Clusters) -> Sequence[str] | None:
    """Clusters where they group anything; None where every sample stands alone."""
    if clusters is None or any(cluster is None for cluster in clusters):
        return None
    names = [str(cluster) for cluster in clusters]
    return names if 1 < len(set(names)) < len(names) else None
