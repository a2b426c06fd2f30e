"""Several processes train one model: the same rows in each step, the same losses to rounding, resumable by any number."""

import json
import signal
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from harness import Lora
from harness.files import read_json_lines
from harness.training.shared.ranks import Batches
from harness.worker.child import ERROR, INTERRUPTED
from harness.worker.messages import ROWS, TASK, receive, send
from tests.training_tasks import ADAPTED, SETTINGS, finish, kill_at_step, log_of, weights, write_task

CLOSE = 1e-5  # relative
UNEVEN = replace(SETTINGS, effective_batch_size=6)  # shared by 4: two have one row more than the others
WITHOUT_DROPOUT = replace(ADAPTED, adapter=Lora(rank=4, alpha=8, dropout=0.0), effective_batch_size=3)


def of_rank(monkeypatch, rank, processes, *given):
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    batches = Batches(*given)
    found = [list(batches) for _ in range(2)]
    assert [len(epoch) for epoch in found] == [len(batches)] * 2
    return found


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize(("rows", "size", "step"), [(23, 2, 8), (24, 2, 8), (5, 3, 4), (7, 1, 1), (1, 4, 8)])
def test_each_step_has_the_same_rows_however_many_processes_share_it(monkeypatch, processes, rows, size, step):
    alone = of_rank(monkeypatch, 0, 1, rows, size, step, 5)
    shared = [of_rank(monkeypatch, rank, processes, rows, size, step, 5) for rank in range(processes)]
    for epoch, whole in enumerate(alone):
        assert sorted(row for batch in whole for row in batch) == list(range(rows))
        together = [[one for one in turn if one] for turn in zip(*(rank[epoch] for rank in shared), strict=True)]
        assert [batch for turn in together for batch in turn] == whole
    assert rows == 1 or alone[0] != alone[1], "each epoch is shuffled anew"


def curve(folder):
    """What the log says of each step."""
    names = ("step", "loss", "eval_loss", "grad_norm")
    return [{name: line[name] for name in names if name in line} for line in read_json_lines(folder / "log.jsonl")]


@pytest.mark.parametrize(("settings", "processes"), [(UNEVEN, 4), (WITHOUT_DROPOUT, 2)])
def test_the_losses_are_those_of_one_process(tmp_path, base_at, settings, processes):
    base = base_at if settings is WITHOUT_DROPOUT else None
    made = []
    for count in (1, processes):
        made.append(write_task(tmp_path, f"by-{count}", settings, base, processes=count))
        assert finish(made[-1]) == 0, log_of(made[-1])
    for one, other in zip(*map(curve, made), strict=True):
        assert other == pytest.approx(one, rel=CLOSE)
    alone, together = (json.loads((folder / "record.json").read_text()) for folder in made)
    assert together["processes"] == processes
    for name in ("tokens", "optimizer_steps", "training_rows", "trainable_parameters"):
        assert together[name] == alone[name], name


def test_a_stopped_training_goes_on_bit_for_bit_and_by_another_number_of_processes_to_rounding(tmp_path):
    whole = write_task(tmp_path, "whole", SETTINGS, processes=2)
    assert finish(whole) == 0, log_of(whole)
    for key, processes in (("same", 2), ("fewer", 1)):
        folder = write_task(tmp_path, key, SETTINGS, processes=2)
        assert kill_at_step(folder, 12, signal.SIGTERM) == INTERRUPTED
        send(folder / TASK, replace(receive(folder / TASK), processes=processes))
        assert finish(folder) == 0, log_of(folder)
        for one, other in zip(curve(whole), curve(folder), strict=True):
            assert other == pytest.approx(one, rel=CLOSE)
        assert processes == 1 or weights(folder) == weights(whole)


def test_what_one_process_meets_ends_all_and_is_told_once(tmp_path):
    folder = write_task(tmp_path, "diverged", replace(SETTINGS, learning_rate=1e30, min_learning_rate=0), processes=2)
    assert finish(folder) == 1
    left = receive(folder / ERROR)
    assert left.kind == "TrainingDiverged"
    assert "at step 2" in left.problem or "at step 3" in left.problem
    assert not (folder / "made").exists()
    assert read_json_lines(folder / ROWS)
