"""What a model answered to a suite, as an artifact of its own: scores are made from it, and again by another scorer."""

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
    """Samples with their answers, in one order; `everything` are all samples of the suite, asked or not."""

    samples: Sequence[Sample]
    answers: Sequence[Json]
    record: AnswersRecord
    everything: Sequence[Sample]

    @classmethod
    def all_of(cls, samples: Sequence[Sample], answers: Answers) -> Answered:
        """Where every sample was asked; the samples that a task brought along, where it did."""
        own = [Sample(**sample) for sample in answers.samples] or list(samples)
        return cls(own, answers.answers, answers.record, own)


def store_answers(store: Store, planned: PlannedEvaluation, answered: Answered) -> None:
    """Publish the answers, unless they are there."""
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
    """The published answers to these samples, or None; a task's own samples come from the store."""
    artifact = store.get("answers", planned.answers_key)
    if artifact is None:
        return None
    lines = read_json_lines(artifact.path / ANSWERS)
    if planned.suite.dataset is None:
        samples = [Sample(**own) for own in read_json_lines(artifact.path / OWN_SAMPLES)]
    by_id = {sample.id: sample for sample in samples}
    asked = [by_id[line["id"]] for line in lines]
    return Answered(asked, [line["answer"] for line in lines], AnswersRecord(**artifact.record), samples)


def as_stored(answers: Sequence[Json]) -> list[Json]:
    """Answers as they come back from the store: scores do not depend on whether they have been there."""
    found: list[Json] = json.loads(json.dumps(answers))
    return found
