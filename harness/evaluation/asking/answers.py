"""The answers to a suite as an artifact of their own, from which any scorer can make scores without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.files import Json, read_json_lines, write_json_lines
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.store import Store
from harness.suite import Sample
from harness.worker.messages import Answers, AnswersRecord

ANSWERS, OWN_SAMPLES = "answers.jsonl", "samples.jsonl"


@dataclass(frozen=True)
class Answered:
    """The samples that were asked and their answers, in the same order; `everything` is all samples of the suite."""

    samples: Sequence[Sample]
    answers: Sequence[Json]
    record: AnswersRecord
    everything: Sequence[Sample]

    @classmethod
    def of(cls, samples: Sequence[Sample], answers: Answers, everything: Sequence[Sample]) -> Answered:
        """The answers to the samples; to those that a task of lm-eval brought, if it did."""
        brought = [Sample(**sample) for sample in answers.samples]
        return cls(brought or list(samples), answers.answers, answers.record, brought or everything)


def store_answers(store: Store, planned: PlannedEvaluation, answered: Answered) -> None:
    """Publish the answers, unless they are published already."""
    if store.holds("answers", planned.answers_key):
        return
    folder = store.work("answers", planned.answers_key) / "made"
    folder.mkdir(exist_ok=True)
    named = zip(answered.samples, answered.answers, strict=True)
    write_json_lines(folder / ANSWERS, ({"id": sample.id, "answer": answer} for sample, answer in named))
    if planned.suite.dataset is None:
        write_json_lines(folder / OWN_SAMPLES, map(asdict, answered.samples))
    store.publish("answers", planned.answers_key, folder, planned.answers, asdict(answered.record))


def stored_answers(store: Store, planned: PlannedEvaluation, samples: Sequence[Sample]) -> Answered | None:
    """The published answers to these samples, or None. If a task brought its own samples, they are read too."""
    artifact = store.get("answers", planned.answers_key)
    if artifact is None:
        return None
    lines = read_json_lines(artifact.path / ANSWERS)
    if planned.suite.dataset is None:
        samples = [Sample(**line) for line in read_json_lines(artifact.path / OWN_SAMPLES)]
    by_id = {sample.id: sample for sample in samples}
    asked = [by_id[line["id"]] for line in lines]
    return Answered(asked, [line["answer"] for line in lines], AnswersRecord(**artifact.record), samples)


def as_stored(answers: Sequence[Json]) -> list[Json]:
    """The answers as they would come back from the store, so that scores are the same before and after.

    JSON makes lists of tuples and strings of keys that are numbers.
    """
    copies: list[Json] = json.loads(json.dumps(answers))
    return copies
