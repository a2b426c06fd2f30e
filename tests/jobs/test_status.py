"""What runs and what was interrupted on a store, whoever began it."""

import json

import pytest

from harness.jobs.status import JobStatus, interrupted, status
from harness.store import Store
from harness.worker.messages import TASK, TrainingTask, send


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def begin(store, key, step=None):
    """A training that was begun, and got as far as the step."""
    folder = store.work("checkpoints", key)
    task = TrainingTask(makes=key, name=f"{key}-mini finetune", kind="finetune", seed=3)
    send(folder / TASK, task)
    if step is not None:
        (folder / "log.jsonl").write_text(json.dumps({"step": step, "steps": 20}) + "\n")
    return task


def test_an_empty_store_runs_nothing(store):
    assert status(store) == []


def test_an_interrupted_training_is_listed_with_its_last_step(store):
    begin(store, "alpha", step=7)
    begin(store, "beta")
    assert status(store) == [
        JobStatus("interrupted", "alpha-mini finetune", None, 7, 20),
        JobStatus("interrupted", "beta-mini finetune", None, None, None),
    ]


def test_what_a_session_holds_is_running_and_not_interrupted(store):
    begin(store, "alpha", step=7)
    with store.lock("alpha", "alpha-mini finetune"):
        [job] = status(store)
    assert (job.state, job.job, job.step) == ("running", "alpha-mini finetune", 7)
    assert job.process


def test_interrupted_trainings_have_their_tasks(store):
    task = begin(store, "alpha")
    assert interrupted(store) == {"alpha": task}


@pytest.mark.parametrize("text", ['{"name": "old", "stage": "finetune"}', "{", "[]", '{"is": "TrainingTask"}'])
def test_a_training_begun_by_another_version_is_said_to_be_one(store, text):
    key = "a" * 64
    (store.work("checkpoints", key) / TASK).write_text(text)
    assert interrupted(store) == {key: None}
    [job] = status(store)
    assert job.job == "aaaaaaaa, begun by another version; harness store prune removes it"


def test_abandoning_removes_what_was_begun_unless_a_session_makes_it(store):
    begin(store, "alpha")
    with store.lock("alpha", "alpha-mini finetune"):
        store.abandon("checkpoints", "alpha")
        assert store.begun("checkpoints") == ["alpha"]
    store.abandon("checkpoints", "alpha")
    assert store.begun("checkpoints") == []
