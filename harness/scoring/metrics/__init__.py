"""Scores of many samples -> one number with its interval, alone or against another subject, over one seed or several.

A metric is a plain value: it is stored with an evaluation, so that two evaluations can be compared later
without the suite that made them. `against` is the number that the p-value is about.
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
    """The metric that `harness.fingerprint.values.plain` wrote down."""
    fields = {name: value for name, value in stored.items() if name != "is"}
    return KINDS[stored["is"]](**fields)


def metrics_of(declared: Sequence[Metric], rows: ScoreRows) -> list[Metric]:
    """The metrics declared, or else the mean of every score."""
    if declared:
        return list(declared)
    names = dict.fromkeys(name for row in rows for name in row)
    return [Mean(name) for name in names]
