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
