"""What a model worker keeps: the base under the next adapter, tokenized texts."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness.models.answering import measured
from harness.models.answering import resident as resident_module
from harness.models.answering.engine import Engine
from harness.models.answering.resident import Resident
from tests.measuring import TEXTS
from tests.tiny_models import saved_adapter, saved_llama


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A base, and two adapters over it."""
    folder = tmp_path_factory.mktemp("places")
    base = saved_llama(folder / "base", larger=1)
    return {"base": base, **{name: saved_adapter(folder / name, base, rank) for name, rank in (("one", 4), ("two", 2))}}


def likelihoods(engine):
    return [found["nll"] for found in engine.document_loglikelihoods(["a", "b"], TEXTS)]


@pytest.mark.parametrize("merged", [True, False])
def test_an_exchanged_adapter_scores_as_one_loaded_alone(places, monkeypatch, merged):
    for module in (measured, resident_module):
        monkeypatch.setattr(module, "merges", lambda device: merged)
    resident = Resident()
    alone = {name: likelihoods(Engine(at, "cpu", "float32")) for name, at in places.items()}
    assert len({tuple(found) for found in alone.values()}) == 3
    for name in ("one", "two", "base", "one", "base", "two"):
        assert likelihoods(resident.engine(places[name], "cpu", "float32")) == alone[name]


def test_where_adapters_are_not_merged_the_base_is_loaded_once_for_all(places, monkeypatch):
    for module in (measured, resident_module):
        monkeypatch.setattr(module, "merges", lambda device: False)
    resident = Resident()
    first = resident.engine(places["one"], "cpu", "float32")
    weight = first.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight
    second = resident.engine(places["two"], "cpu", "float32")
    assert second.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight is weight
    assert resident.engine(places["base"], "cpu", "float32").model.model.layers[0].mlp.up_proj.weight is weight
    other = resident.engine(places["two"], "cpu", "bfloat16")
    assert other.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight is not weight


def test_merging_an_adapter_changes_no_more_than_rounding_does(places, monkeypatch):
    merged = likelihoods(Engine(places["one"], "cpu", "float32"))
    monkeypatch.setattr(measured, "merges", lambda device: False)
    assert merged == pytest.approx(likelihoods(Engine(places["one"], "cpu", "float32")), rel=1e-5)


def test_what_two_checkpoints_are_asked_is_tokenized_once(places):
    resident = Resident()
    first = resident.engine(places["one"], "cpu", "float32")
    ids = first.prompt_ids("Name a bird.")
    second = resident.engine(places["two"], "cpu", "float32")
    assert second.prompts is first.prompts
    assert second.prompt_ids("Name a bird.") == ids


def test_a_model_that_was_given_away_is_loaded_anew(places):
    resident = Resident()
    first = resident.engine(places["base"], "cpu", "float32")
    assert resident.engine(places["base"], "cpu", "float32") is first
    resident.give_away()
    assert resident.engine(places["base"], "cpu", "float32") is not first
