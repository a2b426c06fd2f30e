"""Pretraining before its first step: from fresh weights, on from a base, or not trained at all."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.errors import RecipeError
from harness.training.pretraining.pretrain import prepare, starting_point
from harness.training.shared.publish import write_checkpoint
from harness.worker.messages import TASK, receive
from tests.tiny_models import saved_adapter
from tests.training_tasks import SETTINGS, weights, write_task


def prepared(folder):
    return prepare(folder, receive(folder / TASK))


def test_the_untrained_subject_is_the_model_before_its_first_step(tmp_path):
    folder = write_task(tmp_path, "fresh", None)
    untrained, task = prepared(folder), receive(folder / TASK)
    model, tokenizer = starting_point(replace(task, settings=SETTINGS), [row["text"] for row in untrained.rows])
    for (name, own), (other, theirs) in zip(untrained.model.named_parameters(), model.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(own, theirs)
    assert untrained.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert untrained.trainer is None


def test_the_untrained_subject_is_published_without_a_step(tmp_path):
    folder = write_task(tmp_path, "fresh", None)
    write_checkpoint(folder, receive(folder / TASK), prepared(folder), 1.0, None)
    assert list(weights(folder)) == ["model.safetensors"]
    assert (folder / "made" / "training_log.jsonl").read_text() == ""
    assert '"optimizer_steps": 0' in (folder / "record.json").read_text()


def test_another_seed_draws_other_weights(tmp_path):
    one, other = (prepared(write_task(tmp_path, str(seed), None, seed=seed)).model for seed in (0, 1))
    assert not torch.equal(one.model.layers[0].mlp.up_proj.weight, other.model.layers[0].mlp.up_proj.weight)


def test_a_block_longer_than_the_context_is_named(base_at, tmp_path):
    folder = write_task(tmp_path, "long", replace(SETTINGS, block_length=128), base_at)
    with pytest.raises(RecipeError, match="test: block_length 128 exceeds the base's context of 64 tokens"):
        prepared(folder)


def test_an_adapter_is_no_base_to_go_on_from(base_at, tmp_path):
    folder = write_task(tmp_path, "on_adapter", SETTINGS, saved_adapter(tmp_path / "adapter", base_at))
    with pytest.raises(RecipeError, match="test: its base is an adapter"):
        prepared(folder)
