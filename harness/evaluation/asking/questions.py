"""A suite's samples -> what the model worker is sent of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.data.sources import Row
from harness.evaluation.asking.samples import samples_of
from harness.suite import Choices, LmEval, Sample, Suite
from harness.worker.messages import Question

PLACES = ("source", "origin")  # of a row: where it comes from is no part of the question


def questions(suite: Suite, rows: Sequence[Row]) -> list[tuple[Sample, Question]]:
    """Each sample with its question; where a suite compares copies of the model, once for each copy.

    None where what is asked brings its own samples.
    """
    if suite.dataset is None:
        return []
    asked = []
    wants_row = any(isinstance(ask, LmEval) for ask in suite.asks)
    wants_choices = any(isinstance(ask, Choices) for ask in suite.asks)
    for row, sample in zip(rows, samples_of(suite, rows), strict=True):
        question = Question(
            id=sample.id,
            prompt=sample.prompt,
            target=sample.answer,
            choices=sample.choices if wants_choices else (),
            row={name: value for name, value in row.items() if name not in PLACES} if wants_row else None,
        )
        if not suite.copies:
            asked.append((sample, question))
        for copy in suite.copies:
            named = replace(sample, id=f"{sample.id}@{copy}", cluster=sample.cluster or sample.id)
            asked.append((named, replace(question, id=named.id, copy=copy)))
    return asked
