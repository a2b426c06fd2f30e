"""The judged scores of a sweep, sample by sample: the optimism of picking the best, and what twice as much is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evaluation import Evaluation
from harness.scoring.metrics import Mean, Metric, Ratio
from harness.scoring.metrics.rows import usable
from harness.suite import Scores

if TYPE_CHECKING:
    from harness.statistics import Interval


@dataclass(frozen=True)
class JudgedScores:
    """What every sample adds to the judged metric, of which it is the mean: by setting, seed and sample."""

    values: list[list[list[float]]]  # (settings, seeds, samples)
    clusters: Sequence[str] | None

    @property
    def means(self) -> list[list[float]]:
        """Over seeds: (settings, samples)."""
        return [[sum(column) / len(column) for column in zip(*seeds, strict=True)] for seeds in self.values]


def judged_scores(measured: Sequence[Sequence[Evaluation]], metric: str) -> JudgedScores | None:
    """None for a metric that is no mean over samples and no ratio of sums, or where --adaptive stopped a suite early."""
    how: Metric = measured[0][0].metric(metric)
    first = measured[0][0].samples
    by_id = [[{one.sample_id: one.scores for one in evaluation.samples} for evaluation in of] for of in measured]
    if any(one.keys() != {sample.sample_id for sample in first} for of in by_id for one in of):
        return None
    if isinstance(how, Ratio) and how.form == "plain":
        values = _parts_of_ratio(how, [[[one[s.sample_id] for s in first] for one in of] for of in by_id])
        return JudgedScores(values, usable([sample.cluster for sample in first]))
    if not isinstance(how, Mean):
        return None
    rows = [[[how.of_sample(one[sample.sample_id]) for sample in first] for one in of] for of in by_id]
    concerned = [i for i in range(len(first)) if all(one[i] is not None for of in rows for one in of)]
    values = [[[float(one[i] or 0.0) for i in concerned] for one in of] for of in rows]
    return JudgedScores(values, usable([first[i].cluster for i in concerned])) if len(concerned) > 1 else None


def _parts_of_ratio(how: Ratio, rows: list[list[list[Scores]]]) -> list[list[list[float]]]:
    """What each sample adds to a ratio of sums, by linearization: (top - r x bottom) / mean(bottom) + r, r over all."""
    sums = [
        sum(float(row[name]) for of in rows for one in of for row in one) for name in (how.numerator, how.denominator)
    ]
    ratio = sums[0] / sums[1]

    def parts(one: list[Scores]) -> list[float]:
        bottom = sum(float(row[how.denominator]) for row in one) / len(one)
        return [(float(row[how.numerator]) - ratio * float(row[how.denominator])) / bottom + ratio for row in one]

    return [[parts(one) for one in of] for of in rows]


def optimism_of(scores: JudgedScores, up: bool) -> float:
    """How much better the best of equal settings would look than it is, had it been picked by the judged score."""
    from harness.statistics.selection import optimism

    return optimism(scores.means if up else [[-x for x in row] for row in scores.means], scores.clusters)


def doubling_of(scores: JudgedScores, amounts: Sequence[float]) -> Interval:
    """What twice as much is worth at the slope over these amounts: each sample's least-squares slope of its score on the
    binary logarithm, averaged with its interval, over seeds where there are several.
    """
    from harness.statistics import mean_interval, nested_interval

    logs = [math.log2(amount) for amount in amounts]
    middle = sum(logs) / len(logs)
    weights = [(x - middle) / sum((one - middle) ** 2 for one in logs) for x in logs]
    slopes = [
        [sum(w * x for w, x in zip(weights, of, strict=True)) for of in zip(*by_setting, strict=True)]
        for by_setting in zip(*scores.values, strict=True)
    ]  # (seeds, samples)
    clusters = scores.clusters
    return nested_interval(slopes, clusters) if len(slopes) > 1 else mean_interval(slopes[0], clusters, against=0.0)
