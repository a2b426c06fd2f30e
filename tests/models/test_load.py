"""A model's place -> the model: in the dtype asked for, its adapter over it, and what cannot be loaded named."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness.errors import StoreError
from harness.models.answering.engine import Engine
from harness.models.loading.load import load_model, load_tokenizer
from harness.worker.places import Adapted, Directory
from tests.tiny_models import saved_adapter

TEXTS = ["How far is the moon from here, in miles or otherwise?"]


def test_fresh_adapter_equals_base_model(engine, model_at, tmp_path):
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(
        load_model(model_at, device="cpu", dtype="float32"), LoraConfig(r=4, target_modules="all-linear")
    )
    adapted.save_pretrained(tmp_path)
    engine.tokenizer.save_pretrained(tmp_path)
    with_adapter = Engine(Adapted(Directory(str(tmp_path)), model_at), "cpu", "float32")
    assert with_adapter.document_loglikelihoods(["d"], TEXTS) == engine.document_loglikelihoods(["d"], TEXTS)


def test_a_folder_that_holds_no_model_is_named(tmp_path):
    with pytest.raises(StoreError, match=f"directory {tmp_path} cannot be loaded"):
        load_model(Directory(str(tmp_path)), device="cpu", dtype="float32")


def test_a_model_and_its_adapter_are_in_the_dtype_asked_for(model_at, tmp_path):
    adapted = saved_adapter(tmp_path, model_at)
    for place in (model_at, adapted):
        model = load_model(place, device="cpu", dtype="bfloat16")
        assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
        assert not model.training


def test_the_tokenizer_of_an_adapter_comes_before_its_bases(model_at, tmp_path):
    adapted = saved_adapter(tmp_path, model_at)
    own = load_tokenizer(adapted)
    own.chat_template = "{{ 'an own one' }}"
    own.save_pretrained(tmp_path)
    assert load_tokenizer(adapted).chat_template == "{{ 'an own one' }}"
    assert load_tokenizer(model_at).chat_template != "{{ 'an own one' }}"


def test_an_adapter_without_a_tokenizer_has_its_bases(model_at, tmp_path):
    place = saved_adapter(tmp_path / "adapter", model_at)
    for file in (tmp_path / "adapter").glob("token*"):
        file.unlink()
    assert load_tokenizer(place).get_vocab() == load_tokenizer(model_at).get_vocab()


def test_an_adapter_leaves_its_bases_buffers_as_they_are(model_at, tmp_path):
    """Rotary frequencies in bfloat16 would round every position, of the base too once its adapter is gone."""
    from harness.models.loading.load import add_adapter

    adapted = saved_adapter(tmp_path, model_at)
    base = load_model(model_at, device="cpu", dtype="bfloat16")
    before = {name: buffer.clone() for name, buffer in base.named_buffers()}
    weights = {name: weight.clone() for name, weight in base.named_parameters()}
    assert any("inv_freq" in name for name in before)
    model = add_adapter(base, adapted, "cpu", "bfloat16")
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}
    bare = model.unload()
    assert all(torch.equal(buffer, before[name]) for name, buffer in bare.named_buffers())
    assert all(torch.equal(weight, weights[name]) for name, weight in bare.named_parameters())


def test_too_little_memory_is_not_taken_for_a_broken_folder(model_at, monkeypatch):
    from transformers import AutoModelForCausalLM

    def no_room(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", no_room)
    with pytest.raises(torch.OutOfMemoryError):
        load_model(model_at, device="cpu", dtype="float32")
