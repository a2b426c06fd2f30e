"""The training log: a line a step, and none twice where a resumed run repeats steps."""

from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")

from harness.files import read_json_lines
from harness.training.watching.progress import LOG, Progress


def at(step):
    """What a Trainer tells of itself at a step of ten."""
    return SimpleNamespace(global_step=step, max_steps=10)


def train(folder, steps, resumed_from=0):
    """Log these steps as a Trainer does, a hundred tokens each."""
    trainer = SimpleNamespace()
    progress = Progress(folder, trainer)
    progress.on_train_begin(None, at(resumed_from), None)
    for step in steps:
        trainer.tokens_seen += 100
        progress.on_log(None, at(step), None, logs={"loss": 1 / step, "learning_rate": 0.1, "epoch": step / 10})
    return read_json_lines(folder / LOG)


def test_each_step_is_a_line_with_its_loss_tokens_and_seconds(tmp_path):
    first, second = train(tmp_path, [1, 2])
    assert {name: value for name, value in first.items() if name != "seconds"} == {
        "step": 1, "steps": 10, "loss": 1.0, "learning_rate": 0.1, "tokens": 100,
    }  # fmt: skip
    assert second["seconds"] >= first["seconds"] >= 0
    assert second["tokens"] == 200


def test_steps_that_a_resumed_run_repeats_stand_once(tmp_path):
    train(tmp_path, [1, 2, 3, 4])
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 5, "lo')  # cut short by a kill
    found = train(tmp_path, [3, 4, 5], resumed_from=2)
    assert [line["step"] for line in found] == [1, 2, 3, 4, 5]
    assert [line["tokens"] for line in found] == [100, 200, 300, 400, 500]


def test_a_run_from_the_start_forgets_an_earlier_log(tmp_path):
    train(tmp_path, [1, 2, 3])
    assert [line["step"] for line in train(tmp_path, [1])] == [1]


def test_what_is_no_loss_is_not_logged(tmp_path):
    progress = Progress(tmp_path, SimpleNamespace())
    progress.on_train_begin(None, at(0), None)
    progress.on_log(None, at(10), None, logs={"train_runtime": 3.0})
    assert read_json_lines(tmp_path / LOG) == []
