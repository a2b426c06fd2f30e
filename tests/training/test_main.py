"""A GPU's memory that runs out in training: once more with activations recomputed, in a fresh process; then an error."""

import os
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.training import __main__ as worker
from harness.training.shared.arguments import RECOMPUTES, arguments
from harness.worker.child import ERROR
from harness.worker.messages import TASK, receive, send
from tests.tiny_models import tiny
from tests.training_tasks import ADAPTED, SETTINGS, write_task


@pytest.fixture
def folder(tmp_path):
    """A task for a GPU."""
    folder = write_task(tmp_path, "task", SETTINGS)
    send(folder / TASK, replace(receive(folder / TASK), device="cuda:0"))
    return folder


@pytest.fixture
def replaced(monkeypatch):
    """The commands that this process would have become."""
    found = []
    monkeypatch.setattr(os, "execv", lambda program, command: found.append(command))
    return found


def runs_out(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_it_is_tried_once_more_with_less_memory_and_then_told(folder, replaced, monkeypatch, capfd):
    monkeypatch.setattr(worker, "train", runs_out)
    worker.main(folder)
    assert replaced == [[sys.executable, "-m", "harness.training", str(folder)]]
    assert "activations recomputed" in capfd.readouterr().err
    assert not (folder / ERROR).exists()
    assert worker.main(folder) == 1
    assert len(replaced) == 1
    told = receive(folder / ERROR)
    assert "memory ran out: CUDA out of memory" in told.problem
    assert "micro_batch_size" in told.remedy


@pytest.mark.parametrize(
    ("device", "error"),
    [("cpu", MemoryError("out of memory")), ("cuda:0", torch.AcceleratorError("CUDA error: device-side assert"))],
)
def test_where_that_would_not_help_it_is_told_at_once(folder, replaced, monkeypatch, device, error):
    def fails(*_):
        raise error

    send(folder / TASK, replace(receive(folder / TASK), device=device))
    monkeypatch.setattr(worker, "train", fails)
    assert worker.main(folder) == 1
    assert replaced == []
    assert (folder / ERROR).exists()


def test_the_second_attempt_recomputes(tmp_path):
    task = receive(write_task(tmp_path, "task", ADAPTED) / TASK)
    folder = tmp_path / "checkpoints" / "task.partial"
    assert arguments(folder, task, tiny("llama"), [[1] * 8] * 8).gradient_checkpointing is False
    (folder / RECOMPUTES).write_text("memory ran out")
    assert arguments(folder, task, tiny("llama"), [[1] * 8] * 8).gradient_checkpointing is True
