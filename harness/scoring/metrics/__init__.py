"""Scores of many samples -> one number with its interval: of one subject or a difference, over one seed or several.

A metric is a plain value. It is stored with an evaluation, so that two evaluations can be compared later without the
suite that made them. In all methods `against` is the number of the null hypothesis: the p-value tests "the metric (or
the difference) is `against`".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.scoring.metrics.corpus import Corpus, Ratio
from harness.scoring.metrics.mean import Mean
from harness.scoring.metrics.rows import Clusters, ScoreRows

__all__ = ["Clusters", "Corpus", "Mean", "Metric", "Ratio", "ScoreRows", "metric_from", "metrics_of"]

Metric = Mean | Ratio | Corpus
KINDS: dict[str, type[Mean] | type[Ratio] | type[Corpus]] = {"Mean": Mean, "Ratio": Ratio, "Corpus": Corpus}


def metric_from(stored: Mapping[str, Any]) -> Metric:
    """The metric that `harness.fingerprint.values.plain` stored."""
    fields = {name: value for name, value in stored.items() if name != "is"}
    return KINDS[stored["is"]](**fields)


def metrics_of(declared: Sequence[Metric], rows: ScoreRows) -> list[Metric]:
    """The declared metrics; if there are none, the mean of every score."""
    if declared:
        return list(declared)
    names = dict.fromkeys(name for row in rows for name in row)
    return [Mean(name) for name in names]
