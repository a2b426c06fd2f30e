"""The scores of many samples, one column at a time, with the clusters that samples belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import StatisticsError

if TYPE_CHECKING:
    from harness.statistics import Interval  # it imports numpy, which a session with nothing to compute must not load

ScoreRows = Sequence[Mapping[str, Any]]  # one mapping for each sample: name -> score
Better = Literal["higher", "lower"]  # which of two scores is the better one
Clusters = Sequence[str | None] | None  # the cluster of each sample, None for a sample without one; or no clusters


def concerned(rows: ScoreRows, name: str, clusters: Clusters = None) -> tuple[list[float], Clusters]:
    """The scores that are not None, and their clusters. Raises StatisticsError if all are None."""
    scores = column(rows, name)
    kept = [i for i, score in enumerate(scores) if score is not None]
    if not kept:
        raise StatisticsError(f"score {name!r} concerns none of the {len(rows)} samples.")
    return [float(scores[i]) for i in kept], None if clusters is None else [clusters[i] for i in kept]  # type: ignore[arg-type]


def column(rows: ScoreRows, name: str) -> list[float | None]:
    """One score of every sample, None where it does not apply. Raises StatisticsError if a sample lacks it."""
    missing = [i for i, row in enumerate(rows) if name not in row]
    if missing:
        raise StatisticsError(
            f"score {name!r} is missing on {len(missing)} of {len(rows)} samples (first: number {missing[0]})."
        )
    lists = next((row[name] for row in rows if isinstance(row[name], list | tuple)), None)
    if lists is not None:
        raise StatisticsError(
            f"score {name!r} is a list of {len(lists)} counts, and no declared metric sums it.",
            "Declare a metric that does, such as Corpus, or return one number per sample.",
        )
    return [None if row[name] is None else float(row[name]) for row in rows]


def full_column(rows: ScoreRows, name: str) -> list[float]:
    """One score of every sample, in order. Raises StatisticsError if one is None."""
    scores = column(rows, name)
    if None in scores:
        raise StatisticsError(
            f"score {name!r} is None on sample number {scores.index(None)}, and a sum over the corpus needs it everywhere."
        )
    return [float(score) for score in scores if score is not None]


def usable(clusters: Clusters) -> Sequence[str] | None:
    """A cluster name for each sample; None if the names group nothing, because all are different or all the same.

    A sample without a cluster is a cluster of its own: [a, a, None, None] are three.
    """
    if clusters is None:
        return None
    names = [f"{i}" if cluster is None else f"of {cluster}" for i, cluster in enumerate(clusters)]
    return names if 1 < len(set(names)) < len(names) else None


def noted(interval: Interval, clusters: Clusters) -> Interval:
    """The interval, with a note in its `method` if all samples are in one cluster.

    How much more alike samples of one cluster are can only be estimated from several clusters.
    """
    if clusters is None or len(clusters) < 2 or None in clusters or len(set(clusters)) > 1:
        return interval
    return replace(interval, method=f"{interval.method}; all in one cluster, taken as independent")
