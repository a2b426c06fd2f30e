"""Answers that are stored -> evaluations by the suites as they are now: no model, no worker, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.evaluation import StoredResults
from harness.evaluation.asking.answers import stored_answers
from harness.evaluation.asking.rows import SuiteRows
from harness.evaluation.scored.publish import publish
from harness.files import disk_errors_explained
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


def rescore(
    results: StoredResults,
    rows: SuiteRows,
    evaluations: Iterable[PlannedEvaluation],
    waiting: Callable[[str], None] | None = None,
) -> Iterator[Rescored]:
    """Score the stored answers of each evaluation that is not stored, as after a change of its suite's scorer.

    Those without answers are passed over: a model would have to be asked. Raises SuiteError, which names the sample, for
    a scorer that fails; the answers stay. `waiting` is called with the name of a session that holds them.
    """
    store = results.store
    for planned in evaluations:
        if not planned.suite.needs_model or store.holds("evaluations", planned.key):
            continue
        answered = stored_answers(store, planned, rows.samples(planned.suite))
        if answered is None:
            continue
        with (
            store.lock(f"measure-{planned.checkpoint.key}", "harness rescore", waiting),
            disk_errors_explained(f"{planned.name}: storing its evaluation"),
        ):
            if store.holds("evaluations", planned.key):
                continue  # another session has measured it meanwhile
            made = publish(store, planned, answered)
        for name, metric in made.metrics.items():
            yield Rescored(
                planned.subject.id, planned.suite.name, name,
                metric["estimate"], metric["low"], metric["high"], metric["n"],
            )  # fmt: skip
