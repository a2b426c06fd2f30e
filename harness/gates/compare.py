"""Two stored subjects, sample by sample: paired differences over every suite both were measured by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import EvaluationMissing, SuiteError, WarehouseError
from harness.evaluation import ScoredSample, StoredResults
from harness.files import Json, differences
from harness.gates.evidence import ALPHA
from harness.gates.evidence.pairing import Conditions, computed_on, pair_up
from harness.gates.judge import command
from harness.recipe import Subject
from harness.scoring.metrics import Metric, metric_from, metrics_of
from harness.statistics.multiplicity import adjust
from harness.suite import Suite

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Answered:
    """What one subject answered to one suite: its samples, how metrics are computed, and as what it was asked."""

    subject: str
    suite: str
    metrics: Sequence[Metric]
    samples: Sequence[ScoredSample]
    asked: Mapping[str, Any]  # the suite as it was then: rows, prompt, scorer
    stopped_early: bool = False  # by --adaptive; then only common samples are compared
    conditions: Conditions = field(default_factory=Conditions)  # the tokens of the prompts, the hardware


@dataclass(frozen=True)
class Comparison:
    """One metric of one suite: candidate - baseline, with its interval."""

    suite: str
    metric: str
    candidate: str
    baseline: str
    n: int
    estimate: float
    low: float
    high: float
    p_value: float | None
    p_adjusted: float | None
    verdict: Literal["higher", "lower", "inconclusive"]
    candidate_score: float
    baseline_score: float
    effect_size: float | None
    method: str
    asked_otherwise: str  # what made the prompts of both sides differ; empty if they were the same tokens
    computed_otherwise: str  # both sides' hardware, where it differs


@dataclass(frozen=True)
class Choice:
    """What of two subjects is compared."""

    suite: str | None = None
    metric: str | None = None
    common: bool = False  # what both answered, even where samples or versions of a suite differ


def compare(candidate: Sequence[Answered], baseline: Sequence[Answered], choice: Choice) -> list[Comparison]:
    """One row per suite and metric that both have.

    The verdict is 'higher' or 'lower' where the interval excludes zero after Benjamini-Hochberg over the table,
    else 'inconclusive'. Raises SuiteError where the two did not answer the same samples, or were asked by different
    versions of the suite, unless the choice is what they have in common.
    """
    theirs = {one.suite: one for one in baseline}
    rows = [row for one in candidate if one.suite in theirs for row in _by_suite(one, theirs[one.suite], choice)]
    tested = [row.p_value for row in rows if row.p_value is not None]
    adjusted = iter(adjust(tested, method="bh"))
    return [row if row.p_value is None else _decided(row, next(adjusted)) for row in rows]


def compare_subjects(
    results: StoredResults, suites: Iterable[Suite], candidate: Subject, baseline: Subject, choice: Choice
) -> list[Comparison]:
    """The same of two subjects in the store; EvaluationMissing where no suite measured both."""
    suites = list(suites)
    ours, theirs = (answered_in_store(results, suites, subject) for subject in (candidate, baseline))
    rows = compare(ours, theirs, choice)
    if not rows:
        asked = (choice.suite and f"suite {choice.suite}", choice.metric and f"metric {choice.metric}")
        what = "".join(f" {one}" for one in asked if one)
        raise EvaluationMissing(
            f"no suite has measured both {candidate.id} and {baseline.id}{f' by{what}' if what else ''}.",
            f"Add it: {command(candidate, baseline, typed=results.typed)}",
        )
    return rows


def answered_in_store(results: StoredResults, suites: Iterable[Suite], subject: Subject) -> list[Answered]:
    """The subject's stored evaluations by these suites."""
    found = []
    for suite in suites:
        evaluation = results.evaluation(suite, subject)
        if evaluation is not None:
            metrics = [evaluation.metric(metric) for metric in evaluation.metrics]
            asked, early = evaluation.spec["suite"], evaluation.spared > 0
            conditions = Conditions.of(evaluation)
            found.append(Answered(subject.id, suite.name, metrics, evaluation.samples, asked, early, conditions))
    return found


def answered_in_results(connection: duckdb.DuckDBPyConnection, name: str, suite: str | None = None) -> list[Answered]:
    """The newest results of a subject (`wiki_only-mini`), recipe, or either in one run (`wiki_only@20260301T12`).

    WarehouseError where the results know no such subject or run, or several subjects of that recipe.
    """
    subject, run = _subject_and_run(connection, name)
    evaluations = connection.execute(
        """
        SELECT m.suite, e.evaluation, e.spec, e.samples < e.samples_available, e.prompt_digest,
               e.device, e.dtype, e.environment
        FROM measured m JOIN evaluations e USING (evaluation)
        WHERE m.subject = $subject AND starts_with(m.run_id, $run) AND ($suite IS NULL OR m.suite = $suite)
        QUALIFY row_number() OVER (PARTITION BY m.suite ORDER BY e.sample_limit IS NOT NULL, m.run_id DESC) = 1
        ORDER BY m.suite
        """,
        {"subject": subject, "run": run, "suite": suite},
    ).fetchall()
    answered = []
    for own, key, spec, early, prompt_digest, device, dtype, environment in evaluations:
        rows = connection.execute(
            "SELECT sample_id, cluster, scores FROM samples WHERE evaluation = ? ORDER BY position, sample_id", [key]
        ).fetchall()
        samples = [ScoredSample(sample_id, cluster, json.loads(scores)) for sample_id, cluster, scores in rows]
        asked: Json = json.loads(spec)["suite"]
        conditions = Conditions(
            prompt_digest=None if {"adaptive", "limit"} & json.loads(spec).keys() else prompt_digest,  # of a part
            computed_on=computed_on({"device": device, "dtype": dtype, "environment": json.loads(environment)}),
        )
        declared = [metric_from(one) for one in asked.get("metrics", [])]
        metrics = metrics_of(declared, [sample.scores for sample in samples])
        answered.append(Answered(name, own, metrics, samples, asked, bool(early), conditions))
    return answered


def _subject_and_run(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[str, str]:
    """The one subject that a name means, and the beginning of the run's id, '' for any run."""
    known = [row[0] for row in connection.execute("SELECT DISTINCT subject FROM subjects ORDER BY 1").fetchall()]
    subject, _, run = (name, "", "") if name in known else name.rpartition("@") if "@" in name else (name, "", "")
    subject = subject or name
    found = connection.execute(
        "SELECT DISTINCT subject FROM subjects WHERE (subject = $name OR recipe = $name) AND starts_with(run_id, $run)",
        {"name": subject, "run": run},
    ).fetchall()
    if len(found) != 1:
        what = (
            f"several subjects of {subject!r}"
            if found
            else f"no subject {subject!r}{f' in a run {run}' if run else ''}"
        )
        choices = sorted(row[0] for row in found) or known
        raise WarehouseError(f"the results hold {what}.", f"Name one of: {', '.join(choices) or 'none'}.")
    return found[0][0], run


def _by_suite(a: Answered, b: Answered, choice: Choice) -> list[Comparison]:
    changed = next(differences(b.asked, a.asked), None)
    if changed and not choice.common:
        field, there, here = changed
        raise SuiteError(
            f"suite {a.suite} has changed in {field} between {b.subject} and {a.subject} ({there} there, {here} here).",
            "Measure both again by the same suite, or compare what both answered all the same: --common.",
        )
    ours, theirs = pair_up(a.suite, a.samples, b.samples, choice.common or a.stopped_early or b.stopped_early)
    known = {metric.name for metric in b.metrics}
    chosen = [metric for metric in a.metrics if metric.name in known and choice.metric in (None, metric.name)]
    return [_by_metric(metric, a, b, ours, theirs) for metric in chosen]


def _by_metric(
    metric: Metric, a: Answered, b: Answered, ours: Sequence[ScoredSample], theirs: Sequence[ScoredSample]
) -> Comparison:
    clusters = [sample.cluster for sample in ours]
    scores, others = [sample.scores for sample in ours], [sample.scores for sample in theirs]
    interval = metric.difference(scores, others, clusters)
    return Comparison(
        suite=a.suite,
        metric=metric.name,
        candidate=a.subject,
        baseline=b.subject,
        n=interval.n,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        p_value=interval.p_value,
        p_adjusted=None,
        verdict="inconclusive",
        candidate_score=metric.interval(scores, clusters).estimate,
        baseline_score=metric.interval(others, clusters).estimate,
        effect_size=interval.effect_size,
        method=interval.method,
        asked_otherwise=a.conditions.asked_unlike(b.conditions),
        computed_otherwise=a.conditions.computed_unlike(b.conditions),
    )


def _decided(row: Comparison, adjusted: float) -> Comparison:
    """The row with its verdict, given its p adjusted over the table."""
    apart = adjusted <= ALPHA and (row.low > 0 or row.high < 0)
    side: Literal["higher", "lower"] = "higher" if row.estimate > 0 else "lower"
    return replace(row, p_adjusted=adjusted, verdict=side if apart else "inconclusive")
