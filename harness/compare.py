"""Two stored subjects, sample by sample: paired differences over every suite both were measured by."""

from __future__ import annotations

from typing import Any

from harness.bench import Bench
from harness.errors import EvaluationMissing
from harness.evaluation import Evaluation
from harness.gates import paired_rows
from harness.recipe import Subject


def compare(
    bench: Bench, candidate: Subject, baseline: Subject, suite: str | None = None, metric: str | None = None
) -> list[dict[str, Any]]:
    """One row per suite and metric: candidate - baseline with its interval.

    The verdict is 'higher' or 'lower' where the interval excludes zero after Benjamini-Hochberg over the table,
    else 'inconclusive'. EvaluationMissing where no suite measured both.
    """
    from harness.statistics import adjust

    rows = []
    names = [suite] if suite else list(bench.suites)
    for name in names:
        found = [_stored(bench, name, subject) for subject in (candidate, baseline)]
        if found[0] is not None and found[1] is not None:
            rows += _suite(found[0], found[1], candidate.id, baseline.id, metric)
    if not rows:
        from harness.gates import command

        raise EvaluationMissing(
            f"no suite{f' {suite}' if suite else ''} has measured both {candidate.id} and {baseline.id}.",
            f"Add it: {command(candidate, baseline)}",
        )
    tested = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(tested, adjust([row["p_value"] for row in tested], method="bh"), strict=True):
        apart = adjusted <= 0.05 and (row["low"] > 0 or row["high"] < 0)
        row["verdict"] = ("higher" if row["estimate"] > 0 else "lower") if apart else "inconclusive"
    return rows


def _stored(bench: Bench, suite: str, subject: Subject) -> Evaluation | None:
    return bench.stored_evaluation(bench.suite_named(suite), subject)


def _suite(a: Evaluation, b: Evaluation, candidate: str, baseline: str, only: str | None) -> list[dict[str, Any]]:
    ours, theirs = paired_rows(a, b)
    clusters = [row["cluster"] for row in ours]
    rows = []
    for name in a.metrics:
        if (only and name != only) or name not in b.metrics:
            continue
        interval = a.metric(name).difference([r["scores"] for r in ours], [r["scores"] for r in theirs], clusters)
        rows.append(
            {
                "suite": a.suite,
                "metric": name,
                "candidate": candidate,
                "baseline": baseline,
                "n": interval.n,
                "estimate": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "p_value": interval.p_value,
                "verdict": "inconclusive",
                "candidate_score": a[name],
                "baseline_score": b[name],
                "method": interval.method,
            }
        )
    return rows
