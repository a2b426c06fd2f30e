"""What every trainer has beside its library's own: it stops at the first value that is not finite."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.worker.child import ERROR
from harness.worker.messages import receive
from tests.training_tasks import SETTINGS, finish, write_task


def test_a_loss_that_is_not_finite_ends_training_naming_step_and_rows(tmp_path):
    settings = replace(SETTINGS, learning_rate=1e30, min_learning_rate=0, warmup_steps=0)
    folder = write_task(tmp_path, "diverged", settings)
    assert finish(folder) == 1
    left = receive(folder / ERROR)
    assert left.kind == "TrainingDiverged"
    assert "at step 2" in left.problem or "at step 3" in left.problem
    assert "in a batch that starts with '" in left.problem
    assert not (folder / "made").exists()
