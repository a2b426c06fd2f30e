"""Fine-tuning by the worker: what cannot be trained on is named, and bases are found by key."""

import json
import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
from safetensors.torch import load_file

from harness import Lora, Quantization
from harness.worker.child import ERROR
from harness.worker.messages import receive
from harness.worker.places import Adapted, Directory, Published
from tests.tiny_models import saved_adapter
from tests.training_tasks import ADAPTED, finish, log_of, weights, write_task


def test_a_row_without_room_for_the_answer_is_an_error(base_at, tmp_path):
    folder = write_task(tmp_path, "long", replace(ADAPTED, max_length=8), base_at)
    assert finish(folder) == 1
    left = receive(folder / ERROR)
    assert left.kind == "DataError"
    assert "none of the first 8 of its" in left.problem


def test_a_damaged_base_is_named(base_at, tmp_path):
    damaged = tmp_path / "base"
    shutil.copytree(base_at.path, damaged)
    file = damaged / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    folder = write_task(tmp_path, "on_damage", ADAPTED, Directory(str(damaged)))
    assert finish(folder) == 1
    left = receive(folder / ERROR)
    assert left.kind == "StoreError"
    assert str(damaged) in left.problem


def test_a_base_is_found_by_its_key_in_the_store_that_the_folder_lies_in(base_at, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(base_at.path, store / "checkpoints" / "c0ffee")
    settings = replace(ADAPTED, epochs=0.2)
    by_key, by_folder = (write_task(store, str(i), settings, at) for i, at in enumerate((Published("c0ffee"), base_at)))
    for folder in (by_key, by_folder):
        assert finish(folder) == 0, log_of(folder)
    assert weights(by_key) == weights(by_folder)


def test_whole_weights_are_trained_where_no_adapter_is_asked_for(base_at, tmp_path):
    folder = write_task(tmp_path, "whole", replace(ADAPTED, adapter=None, epochs=0.2), base_at)
    assert finish(folder) == 0, log_of(folder)
    assert list(weights(folder)) == ["model.safetensors"]
    record = json.loads((folder / "record.json").read_text())
    assert record["trainable_parameters"] == record["total_parameters"]


@pytest.mark.parametrize(
    "adapter",
    [
        Lora(rank=4, use_dora=True),
        Lora(rank=4, use_rslora=True, target_modules=["q_proj", "up_proj"]),
        Lora(rank=4, modules_to_save=["norm"]),
    ],
    ids=["dora", "rslora", "norm"],
)
def test_every_kind_of_adapter_is_trained_and_measured_as_it_was_trained(base_at, tmp_path, adapter):
    """Merged into its base, as on a CPU, it gives the logits that it gives beside it, and not the base's."""
    from harness.models.answering.measured import load_to_measure
    from harness.models.loading.load import load_model

    folder = write_task(tmp_path, "kind", replace(ADAPTED, adapter=adapter, epochs=1), base_at)
    assert finish(folder) == 0, log_of(folder)
    at = Adapted(Directory(str(folder / "made")), base_at)
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        [plain, beside, merged] = [
            model(ids).logits
            for model in (
                load_model(base_at, device="cpu", dtype="float32"), load_model(at, device="cpu", dtype="float32"),
                load_to_measure(at, device="cpu", dtype="float32"),
            )
        ]  # fmt: skip
    assert (beside - plain).abs().max() > 1e-3
    assert (merged - beside).abs().max() < 1e-4


def test_an_adapter_takes_no_adapter_of_its_own(base_at, tmp_path):
    adapter = saved_adapter(tmp_path / "adapter", base_at)
    assert isinstance(adapter, Adapted)
    folder = write_task(tmp_path, "twice", ADAPTED, adapter)
    assert finish(folder) == 1
    left = receive(folder / ERROR)
    assert (left.kind, left.problem) == ("RecipeError", "test: its base is an adapter already.")


def test_an_adapter_over_4_bits_is_trained_and_saved_in_float32(base_at, tmp_path):
    pytest.importorskip("bitsandbytes")
    folder = write_task(tmp_path, "qlora", replace(ADAPTED, quantization=Quantization(), epochs=0.2), base_at)
    assert finish(folder) == 0, log_of(folder)
    learnt = load_file(folder / "made" / "adapter_model.safetensors").values()
    assert {weight.dtype for weight in learnt} == {torch.float32}
    assert any((weight != weight.bfloat16()).any() for weight in learnt)  # not rounded numbers in a wider dtype
