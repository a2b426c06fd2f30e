"""What a model answered, kept apart from what it scores: found again by key, sample by sample."""

import dataclasses

import pytest

from harness import LmEvalTask, Sample
from harness.evaluation.asking.answers import Answered, as_stored, store_answers, stored_answers
from harness.worker.messages import Answers
from tests.hand_made import RECORD, add, answered

SAMPLES = [Sample(id="a", prompt="Why?", target="So."), Sample(id="b", prompt="Who?", choices=("I", "you"), target=1)]
RECORDED = dataclasses.replace(RECORD, seconds=2.5, tokens=7, engine="tree", environment={"python": "3.11"})


@pytest.fixture
def tone(made):
    """An evaluation that is wanted."""
    return made.results.planned(made.project.suite("tone"), add(made, "alpha"))


def on_own_task(made, tone):
    """The same of a suite whose task brings its own samples."""
    suite = dataclasses.replace(tone.suite, name="task", dataset=None, to_sample=None, asks=[LmEvalTask("own")])
    return made.results.planned(suite, tone.subject)


def test_answers_are_found_again_as_they_were_stored(made, tone):
    assert stored_answers(made.store, tone, SAMPLES) is None
    given = Answered(SAMPLES, [{"completion": "é 🦉"}, {"loglikelihoods": [-1.5, -2.0]}], RECORDED, SAMPLES)
    store_answers(made.store, tone, given)
    assert stored_answers(made.store, tone, SAMPLES) == given


def test_answers_that_are_stored_are_not_stored_again(made, tone):
    store_answers(made.store, tone, answered(SAMPLES, x=[1.0, 0.0]))
    store_answers(made.store, tone, answered(SAMPLES, x=[0.0, 0.0]))
    assert [one["scores"]["x"] for one in stored_answers(made.store, tone, SAMPLES).answers] == [1.0, 0.0]
    assert made.store.keys("answers") == [tone.answers_key]


def test_another_scorer_finds_the_same_answers_and_another_question_does_not(made, tone):
    def other(sample, output):
        return {"y": 1.0}

    keys = made.keys
    scored_otherwise = keys.evaluation(dataclasses.replace(tone.suite, scorer=other), tone.subject)
    asked_otherwise = keys.evaluation(dataclasses.replace(tone.suite, system_prompt="Be brief."), tone.subject)
    assert scored_otherwise.answers_key == tone.answers_key != asked_otherwise.answers_key
    assert len({scored_otherwise.key, tone.key, asked_otherwise.key}) == 3


def test_answers_are_matched_to_samples_by_id_in_the_order_asked(made, tone):
    """As --adaptive asks: some of the samples, in a drawn order."""
    everything = [Sample(id=name, prompt="?") for name in "abcd"]
    asked = [everything[3], everything[1]]
    store_answers(made.store, tone, answered(asked, everything, x=[1.0, 0.0]))
    found = stored_answers(made.store, tone, everything)
    assert [sample.id for sample in found.samples] == ["d", "b"]
    assert [one["scores"]["x"] for one in found.answers] == [1.0, 0.0]
    assert found.everything == everything


def test_a_reference_mended_in_the_suite_is_the_one_that_stored_answers_are_scored_by(made, tone):
    store_answers(made.store, tone, answered(SAMPLES, x=[1.0, 0.0]))
    mended = [dataclasses.replace(SAMPLES[0], target="Because."), SAMPLES[1]]
    assert stored_answers(made.store, tone, mended).samples[0].target == "Because."


def test_the_samples_that_a_task_brought_come_back_from_the_store(made, tone):
    task = on_own_task(made, tone)
    brought = Answers([{"scores": {"acc": 1.0}}], RECORDED, [{"id": "0", "prompt": "Which city?", "target": "Oslo"}])
    given = Answered.of([], brought, [])
    store_answers(made.store, task, given)
    found = stored_answers(made.store, task, [])
    assert found == given
    assert found.everything == [Sample(id="0", prompt="Which city?", target="Oslo")]


def test_choices_that_a_task_brought_come_back_as_choices(made, tone):
    task = on_own_task(made, tone)
    store_answers(made.store, task, answered(SAMPLES, x=[1.0, 0.0]))
    assert stored_answers(made.store, task, []).samples == SAMPLES


def test_where_every_sample_was_asked_they_are_the_suites_own():
    found = Answered.of(SAMPLES, Answers([{}, {}], RECORDED), SAMPLES)
    assert found.samples == found.everything == SAMPLES


def test_answers_score_alike_whether_they_have_been_in_the_store_or_not():
    assert as_stored([{"counts": (1, 2), "by_id": {3: "x"}}]) == [{"counts": [1, 2], "by_id": {"3": "x"}}]
