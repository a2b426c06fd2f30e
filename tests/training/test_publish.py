"""What a training leaves to be published."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.worker.messages import RECORD
from tests.training_tasks import ADAPTED, SETTINGS, finish, log_of, write_task


def test_a_checkpoint_holds_nothing_that_unpickles(pretrained):
    names = {path.name for path in (pretrained / "made").rglob("*") if path.is_file()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_the_record_counts_weights_rows_steps_and_tokens(pretrained):
    record = json.loads((pretrained / RECORD).read_text())
    blocks = record["training_rows"]
    assert record["optimizer_steps"] == -(-blocks // SETTINGS.effective_batch_size) * SETTINGS.epochs
    assert record["tokens"] == blocks * 64 * SETTINGS.epochs
    assert record["trainable_parameters"] == record["total_parameters"] > 0
    assert record["rows_by_source"] == {"t": 12}
    assert (record["device"], record["environment"]["threads"]) == ("cpu", 1)
    assert record["worker_seconds"] > record["train_seconds"] > 0


def test_an_adapter_names_its_base_by_what_it_is_and_not_by_where_it_lay(base_at, tmp_path):
    folder = write_task(tmp_path, "adapter", ADAPTED, base_at, base_name="c0ffee", save_steps=100)
    assert finish(folder) == 0, log_of(folder)
    config = json.loads((folder / "made" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "c0ffee"
    assert not (folder / "made" / "README.md").exists()
    assert base_at.path not in "".join(path.read_text() for path in (folder / "made").glob("*.json"))
    record = json.loads((folder / RECORD).read_text())
    assert 0 < record["trainable_parameters"] < record["total_parameters"]
    assert record["training_rows"] == 40
