"""Two stored subjects, sample by sample: paired differences over every suite both were measured by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.bench import Bench
from harness.differences import ALPHA
from harness.errors import EvaluationMissing, SuiteError, WarehouseError
from harness.fingerprint import differences
from harness.gates import command
from harness.multiplicity import adjust
from harness.pairing import pair_up
from harness.recipe import Subject
from harness.scoring.metrics import Metric, metric_from, metrics_of

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Answered:
    """What one subject answered to one suite: sample rows (sample_id, cluster, scores), and how metrics are computed."""

    subject: str
    suite: str
    metrics: Sequence[Metric]
    rows: Sequence[dict[str, Any]]
    asked: Mapping[str, Any]  # the suite as it was then: rows, prompt, scorer
    stopped_early: bool = False  # by --adaptive: of such a suite only common samples are compared


def answered_in_store(bench: Bench, subject: Subject, suite: str | None = None) -> list[Answered]:
    """The subject's stored evaluations, of one suite or of all."""
    found = []
    for name in [suite] if suite else list(bench.suites):
        evaluation = bench.stored_evaluation(bench.suite_named(name), subject)
        if evaluation is not None:
            metrics = [evaluation.metric(metric) for metric in evaluation.metrics]
            asked, early = evaluation.artifact.spec["suite"], evaluation.spared > 0
            found.append(Answered(subject.id, name, metrics, evaluation.samples, asked, early))
    return found


def answered_in_results(connection: duckdb.DuckDBPyConnection, name: str, suite: str | None = None) -> list[Answered]:
    """The newest results of a subject (`wiki_only-mini`), recipe, or either in one run (`wiki_only@20260301T12`).

    WarehouseError where the results know no such subject or run, or several subjects of that recipe.
    """
    known = [row[0] for row in connection.execute("SELECT DISTINCT subject FROM subjects ORDER BY 1").fetchall()]
    plain, _, run = (name, "", "") if name in known else name.rpartition("@") if "@" in name else (name, "", "")
    plain = plain or name
    found = connection.execute(
        "SELECT DISTINCT subject FROM subjects WHERE (subject = $name OR recipe = $name) AND starts_with(run_id, $run)",
        {"name": plain, "run": run},
    ).fetchall()
    if len(found) != 1:
        told = f"several subjects of {plain!r}" if found else f"no subject {plain!r}{f' in a run {run}' if run else ''}"
        choices = sorted(row[0] for row in found) or known
        raise WarehouseError(f"the results hold {told}.", f"Name one of: {', '.join(choices) or 'none'}.")
    evaluations = connection.execute(
        """
        SELECT m.suite, e.evaluation, e.spec, e.samples < e.samples_available
        FROM measured m JOIN evaluations e USING (evaluation)
        WHERE m.subject = $subject AND starts_with(m.run_id, $run) AND ($suite IS NULL OR m.suite = $suite)
        QUALIFY row_number() OVER (PARTITION BY m.suite ORDER BY m.run_id DESC) = 1
        ORDER BY m.suite
        """,
        {"subject": found[0][0], "run": run, "suite": suite},
    ).fetchall()
    answered = []
    for own, key, spec, early in evaluations:
        rows = connection.execute(
            "SELECT sample_id, cluster, scores FROM samples WHERE evaluation = ? ORDER BY position, sample_id", [key]
        ).fetchall()
        samples = [{"sample_id": i, "cluster": c, "scores": json.loads(scores)} for i, c, scores in rows]
        asked = json.loads(spec)["suite"]
        declared = [metric_from(one) for one in asked.get("metrics", [])]
        metrics = metrics_of(declared, [row["scores"] for row in samples])
        answered.append(Answered(name, own, metrics, samples, asked, bool(early)))
    return answered


def compare(
    candidate: Sequence[Answered], baseline: Sequence[Answered], metric: str | None = None, common: bool = False
) -> list[dict[str, Any]]:
    """One row per suite and metric that both have: candidate - baseline with its interval.

    The verdict is 'higher' or 'lower' where the interval excludes zero after Benjamini-Hochberg over the table,
    else 'inconclusive'. SuiteError where the two did not answer the same samples, or were asked by different versions
    of the suite, unless `common` says to compare what both answered all the same.
    """
    theirs = {one.suite: one for one in baseline}
    rows = [row for one in candidate if one.suite in theirs for row in _suite(one, theirs[one.suite], metric, common)]
    tested = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(tested, adjust([row["p_value"] for row in tested], method="bh"), strict=True):
        apart = adjusted <= ALPHA and (row["low"] > 0 or row["high"] < 0)
        row["verdict"] = ("higher" if row["estimate"] > 0 else "lower") if apart else "inconclusive"
        row["p_adjusted"] = adjusted
    return rows


def compare_subjects(
    bench: Bench,
    candidate: Subject,
    baseline: Subject,
    suite: str | None = None,
    metric: str | None = None,
    common: bool = False,
) -> list[dict[str, Any]]:
    """The same of two subjects in the store; EvaluationMissing where no suite measured both."""
    ours, theirs = (answered_in_store(bench, subject, suite) for subject in (candidate, baseline))
    rows = compare(ours, theirs, metric, common)
    if not rows:
        what = "".join(f" {one}" for one in (suite and f"suite {suite}", metric and f"metric {metric}") if one)
        raise EvaluationMissing(
            f"no suite has measured both {candidate.id} and {baseline.id}{f' by{what}' if what else ''}.",
            f"Add it: {command(candidate, baseline)}",
        )
    return rows


def _suite(a: Answered, b: Answered, only: str | None, common: bool) -> list[dict[str, Any]]:
    changed = next(differences(b.asked, a.asked), None)
    if changed and not common:
        field, there, here = changed
        raise SuiteError(
            f"suite {a.suite} has changed in {field} between {b.subject} and {a.subject} ({there} there, {here} here).",
            "Measure both again by the same suite, or compare what both answered all the same: --common.",
        )
    ours, theirs = pair_up(a.suite, a.rows, b.rows, common or a.stopped_early or b.stopped_early)
    clusters = [row["cluster"] for row in ours]
    scores, others = [row["scores"] for row in ours], [row["scores"] for row in theirs]
    known = {metric.name for metric in b.metrics}
    rows = []
    for metric in a.metrics:
        if (only and metric.name != only) or metric.name not in known:
            continue
        interval = metric.difference(scores, others, clusters)
        rows.append(
            {
                "suite": a.suite,
                "metric": metric.name,
                "candidate": a.subject,
                "baseline": b.subject,
                "n": interval.n,
                "estimate": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "p_value": interval.p_value,
                "p_adjusted": None,
                "verdict": "inconclusive",
                "candidate_score": metric.interval(scores, clusters).estimate,
                "baseline_score": metric.interval(others, clusters).estimate,
                "effect_size": interval.effect_size,
                "method": interval.method,
            }
        )
    return rows
