"""The training worker killed or stopped on its way: what it goes on from, and that it ends where it would have."""

import json
import random
import signal

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.training.watching.resume import MARK, NEEDED, latest_complete
from harness.worker.child import INTERRUPTED
from tests.training_tasks import ADAPTED, SETTINGS, finish, kill_at_step, log_of, weights, write_task


def test_pretraining_killed_at_random_steps_ends_bit_identical(pretrained, tmp_path):
    folder = write_task(tmp_path, "killed", SETTINGS)
    total = json.loads((pretrained / "record.json").read_text())["optimizer_steps"]
    for step in sorted(random.Random().sample(range(1, total), 2)):
        kill_at_step(folder, step)
        assert not (folder / "record.json").exists()
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)
    steps = [
        line["step"]
        for line in map(json.loads, (folder / "made" / "training_log.jsonl").read_text().splitlines())
        if "loss" in line
    ]
    assert steps == list(range(1, total + 1))


def test_adapter_with_dropout_killed_at_a_random_step_ends_bit_identical(base_at, tmp_path):
    whole, killed = (write_task(tmp_path, name, ADAPTED, base_at) for name in ("whole", "killed"))
    assert finish(whole) == 0, log_of(whole)
    kill_at_step(killed, random.Random().randrange(5, 19))
    assert finish(killed) == 0
    assert weights(killed) == weights(whole)
    assert list(weights(whole)) == ["adapter_model.safetensors"]


def test_a_half_saved_step_is_passed_over(pretrained, tmp_path):
    folder = write_task(tmp_path, "half", SETTINGS)
    kill_at_step(folder, 9)
    newest = max((folder / "trainer").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / "optimizer.pt").unlink()  # without it a Trainer would silently start its optimizer afresh
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)


def test_a_stopped_training_is_resumable(pretrained, tmp_path):
    folder = write_task(tmp_path, "stopped", SETTINGS)
    assert kill_at_step(folder, 6, signal.SIGTERM) == INTERRUPTED == 75
    assert any((folder / "trainer").glob("checkpoint-*/complete.json"))
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)


def saved(trainer, step, size=3):
    """A saved step that is whole."""
    folder = trainer / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in NEEDED:
        (folder / name).write_bytes(b"x" * size)
    (folder / MARK).write_text(json.dumps(dict.fromkeys(NEEDED, size)))
    return folder


def test_the_newest_whole_step_is_gone_on_from_and_halves_are_removed(tmp_path):
    assert latest_complete(tmp_path) is None
    whole, cut, unmarked, without = (saved(tmp_path, step) for step in (8, 9, 10, 12))
    (cut / "optimizer.pt").write_bytes(b"x")
    (unmarked / MARK).unlink()
    (without / MARK).write_text(json.dumps({"optimizer.pt": 3}))
    assert latest_complete(tmp_path) == str(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-8"]
