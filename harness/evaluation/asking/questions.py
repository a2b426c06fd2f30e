"""A suite's samples -> the questions that are sent to the model worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.data.sources import Row
from harness.evaluation.asking.batches import first_drawn
from harness.evaluation.asking.passages import Passages
from harness.evaluation.asking.samples import samples_of
from harness.suite import Choices, LmEval, Sample, Suite
from harness.worker.messages import Question

PLACES = ("source", "origin")  # fields of a row that say where it is from; they are not part of the question


def questions(
    suite: Suite, rows: Sequence[Row], limit: int | None = None, passages: Passages | None = None
) -> list[tuple[Sample, Question]]:
    """Each sample with its question, or as many samples as the limit allows; with what is found for it in the passages.

    If a suite compares copies of the model, each sample is there once for each copy.
    Empty if the suite has no dataset, because what it asks brings its own samples.
    """
    if suite.dataset is None:
        return []
    asked = []
    wants_row = any(isinstance(ask, LmEval) for ask in suite.asks)
    wants_choices = any(isinstance(ask, Choices) for ask in suite.asks)
    samples = samples_of(suite, rows)
    for row, sample in [(rows[i], samples[i]) for i in first_drawn(samples, limit)]:
        question = Question(
            id=sample.id,
            prompt="" if sample.messages else sample.prompt,
            messages=sample.messages,
            target=sample.answer,
            choices=sample.choices if wants_choices else (),
            row={name: value for name, value in row.items() if name not in PLACES} if wants_row else None,
            passages=passages.of(sample) if passages is not None else None,
            findable=passages is not None and passages.findable(sample),
        )
        if not suite.copies:
            asked.append((sample, question))
        for copy in suite.copies:
            named = replace(sample, id=f"{sample.id}@{copy}", cluster=sample.cluster or sample.id)
            asked.append((named, replace(question, id=named.id, copy=copy)))
    return asked
