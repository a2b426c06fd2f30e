"""The losses that a checkpoint's own training noted on held-out rows."""

import json

import pytest

from harness import Sample
from harness.errors import SuiteError
from harness.evaluation.asking.record import recorded
from harness.store import Store

ROWS = {name: {"id": name, "group": f"group of {name}"} for name in ("a", "b")}
KEY = "c0ffee" * 8


def published(folder, losses=None):
    """A checkpoint with the losses noted in its folder, where there are any."""
    store = Store(folder)
    made = store.work("checkpoints", KEY) / "made"
    made.mkdir()
    if losses is not None:
        (made / "held_out_losses.json").write_text(json.dumps(losses))
    return store.publish("checkpoints", KEY, made, {}, {})


def test_each_held_out_row_is_a_sample_with_its_loss_before_and_after(tmp_path):
    found = recorded(published(tmp_path, {"before": {"b": 3.0, "a": 2.0}, "after": {"a": 1.5, "b": 2.5}}), ROWS)
    assert found == [
        (Sample(id="b", cluster="group of b"), {"before": 3.0, "after": 2.5}),
        (Sample(id="a", cluster="group of a"), {"before": 2.0, "after": 1.5}),
    ]


def test_a_checkpoint_that_was_not_watched_has_no_record(tmp_path):
    assert recorded(published(tmp_path), ROWS) == []


def test_a_training_that_watched_other_rows_is_told_by_how_many(tmp_path):
    checkpoint = published(
        tmp_path, {"before": {"a": 1.0, "x": 1.0, "y": 1.0}, "after": {"a": 1.0, "x": 1.0, "y": 1.0}}
    )
    with pytest.raises(SuiteError) as error:
        recorded(checkpoint, ROWS)
    assert error.value.problem == (
        "checkpoint c0ffeec0 was watched on 3 held-out rows while it trained, and 1 of the 2 declared now are among them."
    )
