"""The loss on held-out rows: told apart row by row, before and after training."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.training.shared.held_out import row_losses
from harness.training.shared.packing import Packing
from tests.packed_rows import rows
from tests.tiny_models import tiny


def test_held_out_loss_is_kept_row_by_row_and_falls(pretrained):
    losses = json.loads((pretrained / "made" / "held_out_losses.json").read_text())
    assert losses["before"].keys() == losses["after"].keys() == {"0", "1", "2", "3"}
    assert sum(losses["after"].values()) < sum(losses["before"].values())


def test_it_is_looked_at_before_the_first_step_four_times_on_the_way_and_at_the_end(pretrained):
    log = [json.loads(line) for line in (pretrained / "made" / "training_log.jsonl").read_text().splitlines()]
    steps = log[-1]["steps"]
    looks = [line["step"] for line in log if "eval_loss" in line]
    assert looks == [0, *range(steps // 4, steps, steps // 4), steps]


def test_each_rows_own_loss_is_told_apart():
    model = tiny("llama")
    pack = Packing(model, pad=1)
    together = row_losses(model, rows(), pack, batch_size=6)
    alone = [row_losses(model, [row], pack, batch_size=1)[0] for row in rows()]
    assert [count for _, count in together] == [count for _, count in alone]
    assert [loss for loss, _ in together] == pytest.approx([loss for loss, _ in alone], rel=1e-5)


def test_looking_leaves_the_model_as_it_was():
    model = tiny("llama").train()
    before = torch.random.get_rng_state()
    row_losses(model, rows(), Packing(model, pad=1), batch_size=2)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)
