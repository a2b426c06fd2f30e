"""Answers that are stored -> evaluations by the suites as they are now: no model, no worker, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.evaluation import StoredResults
from harness.evaluation.asking.answers import stored_answers
from harness.evaluation.asking.rows import SuiteRows
from harness.evaluation.scored.publish import publish
from harness.fingerprint.evaluations import PlannedEvaluation


@dataclass(frozen=True)
class Rescored:
    """One metric of one evaluation that was made from stored answers."""

    subject: str
    suite: str
    metric: str
    estimate: float
    low: float
    high: float
    n: int


def rescore(results: StoredResults, rows: SuiteRows, evaluations: Iterable[PlannedEvaluation]) -> Iterator[Rescored]:
    """Score the stored answers of each evaluation that is not stored, as after a change of its suite's scorer.

    Those without answers are passed over: a model would have to be asked. Raises SuiteError, which names the sample, for
    a scorer that fails; the answers stay.
    """
    for planned in evaluations:
        if not planned.suite.needs_model or results.store.holds("evaluations", planned.key):
            continue
        answered = stored_answers(results.store, planned, rows.samples(planned.suite))
        if answered is None:
            continue
        with results.store.lock(f"measure-{planned.checkpoint.key}", "harness rescore", lambda holder: None):
            made = publish(results.store, planned, answered)
        for name, metric in made.metrics.items():
            yield Rescored(
                planned.subject.id, planned.suite.name, name,
                metric["estimate"], metric["low"], metric["high"], metric["n"],
            )  # fmt: skip
