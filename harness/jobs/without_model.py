"""Answers that need no model: from the checkpoint's own record, or from its training rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.data.reading.rows import load
from harness.data.sources import Row
from harness.errors import SuiteError
from harness.evaluation.asking.answers import Answered
from harness.evaluation.asking.contamination import shared_with_items
from harness.evaluation.asking.record import recorded
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.jobs.context import JobContext
from harness.recipe import Subject
from harness.store import Artifact
from harness.suite import Overlap, Suite
from harness.worker.messages import AnswersRecord


def answered_without_model(context: JobContext, planned: PlannedEvaluation, suites: Sequence[Suite]) -> Answered:
    """The answers of a suite that looks at the training itself; `suites` are those whose items may be in its rows.

    Raises SuiteError where the checkpoint has no training of its own.
    """
    suite, subject, of_checkpoint = planned.suite, planned.subject, planned.checkpoint
    checkpoint = context.results.artifact(of_checkpoint)
    stage, found = of_checkpoint.stage, []
    overlap = next((ask for ask in suite.asks if isinstance(ask, Overlap)), None)
    if checkpoint is not None and overlap is not None:
        items = {one.name: context.rows.samples(one) for one in suites if one.dataset is not None}
        found = shared_with_items(_training_rows(context, subject), items, overlap.n)
    elif checkpoint is not None and stage is not None and stage.held_out is not None:
        access = replace(context.results.keys.access, scale=of_checkpoint.subject.scale)
        kept = load(stage.held_out, access).rows
        found = recorded(checkpoint, {row["id"]: row for row in kept})
    if not found or checkpoint is None:
        raise SuiteError(f"suite {suite.name}: {subject.id} has no training of its own to look at.")
    samples = [sample for sample, _ in found]
    return Answered(samples, [answer for _, answer in found], _record_of(checkpoint), samples)


def _training_rows(context: JobContext, subject: Subject) -> Iterator[Row]:
    """The rows of every stage that led to the checkpoint."""
    for stage in context.results.keys.chain(subject):
        if stage.trains and stage.stage is not None:
            access = replace(context.results.keys.access, scale=stage.subject.scale)
            yield from load(stage.stage.data, access).rows


def _record_of(checkpoint: Artifact) -> AnswersRecord:
    """The record of answers that needed no model: taken from the training of the checkpoint."""
    return AnswersRecord(
        seconds=0.0,
        tokens=0,
        prompt_digest=None,
        peak_memory_bytes=None,
        energy_joules=None,
        device=checkpoint.record["device"],
        environment=checkpoint.record["environment"],
    )
