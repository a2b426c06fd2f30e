"""What a store holds under one set of keys: checkpoints, evaluations, and what is said of those that are missing."""

import dataclasses
import json
import time

import pytest

from harness import TrainingRecord
from harness.errors import CheckpointMissing, SuiteError
from harness.evaluation import StoredResults
from tests.gates.alpha_and_beta import STAGES
from tests.hand_made import add, measure


def publish(made, subject, record=None):
    """The subject's checkpoint in the store, without weights."""
    stage = made.keys.last(subject)
    folder = made.store.work("checkpoints", stage.key) / "made"
    folder.mkdir()
    return made.store.publish("checkpoints", stage.key, folder, stage.spec, record or {})


# ---- checkpoints --------------------------------------------------------------------------------------


def test_a_checkpoint_is_found_by_its_subject(made):
    alpha = add(made, "alpha", stages=STAGES)
    artifact = publish(made, alpha)
    found = made.results.checkpoint(alpha)
    assert (found.name, found.fingerprint, found.path) == ("alpha-mini", artifact.key, artifact.path)
    assert made.results.needs_training(alpha) == []
    assert made.results.specs == {artifact.key: artifact.spec}


def test_weights_used_as_they_are_need_no_artifact(made):
    found = made.results.checkpoint(add(made, "base"))
    assert (found.artifact, found.path) == (None, None)
    assert made.results.is_there(found.planned)


def test_a_missing_checkpoint_is_told_with_the_nearest_there_is(made):
    alpha = add(made, "alpha", stages=STAGES)
    stage = made.keys.last(alpha)
    assert made.results.needs_training(alpha) == [stage]
    with pytest.raises(CheckpointMissing) as error:
        made.results.checkpoint(alpha)
    assert error.value.problem == f"alpha-mini has no checkpoint {stage.key[:8]} and --no-train is set."
    assert error.value.remedy.startswith("The store holds no finetune checkpoint at all.")
    other = publish(made, add(made, "beta", stages=[dataclasses.replace(STAGES[0], learning_rate=1e-3)]))
    with pytest.raises(CheckpointMissing) as error:
        made.results.checkpoint(alpha)
    assert error.value.remedy.startswith(f"The nearest, {other.short}, differs in base.model: org/beta there")


# ---- evaluations --------------------------------------------------------------------------------------


def test_an_evaluation_is_found_by_its_suite_and_subject(made):
    alpha, suite = add(made, "alpha"), made.project.suite("tone")
    assert made.results.evaluation(suite, alpha) is None
    stored = measure(made, alpha, x=[1.0, 0.0])
    found = made.results.evaluation(suite, alpha)
    assert found == stored
    assert [sample.scores for sample in found.samples] == [{"x": 1.0}, {"x": 0.0}]
    assert made.results.by_key(found.key) == found
    assert made.results.by_key("0" * 64) is None


def test_a_missing_evaluation_is_told_with_the_command_that_adds_it(made):
    alpha = add(made, "alpha")
    planned = made.results.planned(made.project.suite("tone"), alpha)
    error = made.results.missing(planned)
    assert error.problem == f"alpha-mini has no evaluation {planned.key[:8]} by suite tone and --no-train is set."
    assert error.remedy == "Add it: pytest suites/ -k alpha --scale mini"


def test_what_is_measured_is_what_can_be_blessed(made):
    alpha, beta = add(made, "alpha"), add(made, "beta")
    tone = measure(made, alpha, x=[1.0, 0.0])
    share = measure(made, alpha, "share", acc=[1.0, 0.0], loss=[1.0, 2.0])
    measured = made.results.measured([alpha, beta], made.suites.values())
    assert measured == {"alpha-mini": {"tone": tone.key, "share": share.key}}


def test_nothing_measured_is_nothing_to_bless(made):
    assert made.results.measured([add(made, "alpha")], made.suites.values()) == {}


def test_a_suite_that_does_not_concern_a_subject_is_not_looked_for(made):
    record = dataclasses.replace(made.project.suite("tone"), name="training", asks=(TrainingRecord(),))
    assert made.results.measured([add(made, "base")], [record]) == {}


def test_earlier_evaluations_are_those_there_were_when_first_asked_for_oldest_first(made):
    results = StoredResults(made.store, made.keys)
    first = measure(made, add(made, "beta"), x=[1.0, 0.0])
    time.sleep(0.002)  # manifests are dated to the millisecond
    second = measure(made, add(made, "alpha"), x=[1.0, 0.0])
    assert [one.key for one in results.earlier] == [first.key, second.key]
    measure(made, add(made, "gamma"), x=[1.0, 0.0])
    assert len(results.earlier) == 2


# ---- what an evaluation says of itself ----------------------------------------------------------------


def test_a_metric_that_is_not_there_is_told_with_those_that_are(made):
    found = measure(made, add(made, "alpha"), x=[1.0, 0.0], y=[1.0, 1.0])
    assert (found["x"], found.metric("x").name, found.metrics["x"]["n"]) == (0.5, "x", 2)
    for ask in (found.__getitem__, found.metric):
        with pytest.raises(SuiteError, match=r"suite tone has no metric 'z' \(it has: x, y\)"):
            ask("z")


def test_an_evaluation_measured_at_once_spared_nothing(made):
    found = measure(made, add(made, "alpha"), x=[1.0, 0.0])
    assert (found.scored, found.available, found.spared, found.adaptive) == (2, 2, 0, False)
    assert (found.suite, found.subject, found.checkpoint) == ("tone", "alpha-mini", made.keys.fingerprint(
        made.recipes["alpha"]["mini"]
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("left", "spared", "unfinished"),
    [
        ({}, "", ""),
        ({"spared.json": {"words": "loss 3.1"}}, "loss 3.1", "loss 3.1"),
        (
            {"error.json": {"kind": "TrainingDiverged", "problem": "the loss is nan"}},
            "",
            "it diverged: the loss is nan",
        ),
        ({"error.json": {"kind": "WorkerFailed", "problem": "out of memory"}}, "", ""),
    ],
)
def test_only_what_was_stopped_early_is_spared_and_what_diverged_is_a_failure(made, left, spared, unfinished):
    planned = made.keys.last(add(made, "alpha", stages=STAGES))
    for name, found in left.items():
        (made.store.work("checkpoints", planned.key) / name).write_text(json.dumps(found))
    assert (made.results.why_spared(planned), made.results.why_unfinished(planned)) == (spared, unfinished)
