"""A checkpoint that is there: where its weights are on this machine, and on which one device it is put to use."""

from pathlib import Path

import pytest

from harness import Dataset, Embedded, Finetune, Lora, Mix, Recipe, Variant
from harness.errors import DeviceError
from harness.serving.trained import Trained, one_device
from harness.worker.places import Adapted, Directory, HubModel
from tests.hand_made import add

ADAPTED = Finetune(
    data=Mix(Dataset(name="talk", mini=Embedded("instructions")).rows(mini=8)), adapter=Lora(rank=4),
    learning_rate=1e-3, epochs=1, effective_batch_size=4,
)  # fmt: skip


def trained(made, subject):
    """The subject with its checkpoint in the store, without weights."""
    stage = made.keys.last(subject)
    if stage.is_made:
        folder = made.store.work("checkpoints", stage.key) / "made"
        folder.mkdir()
        made.store.publish("checkpoints", stage.key, folder, stage.spec, {})
    return Trained(made.results.checkpoint(subject), made.results)


def test_weights_of_the_hub_are_named_as_there(made):
    found = trained(made, add(made, "alpha"))
    assert (found.name, found.is_adapter, found.place) == ("alpha-mini", False, HubModel("org/alpha", None))


def test_an_adapter_lies_in_the_store_and_its_base_where_it_is(made):
    found = trained(made, add(made, "alpha", stages=[ADAPTED]))
    folder = made.store.root / "checkpoints" / found.checkpoint.fingerprint
    assert found.is_adapter
    assert found.place == Adapted(Directory(str(folder)), HubModel("org/alpha", None))
    assert found.base == HubModel("org/alpha", None)


def test_a_store_named_from_here_is_found_from_anywhere(made, tmp_path, monkeypatch):
    """What is written into an exported adapter must not depend on where the user stood."""
    monkeypatch.chdir(tmp_path)
    made.store.root = Path("store")
    whole = Finetune(data=ADAPTED.data, learning_rate=1e-3, epochs=1, effective_batch_size=4)
    ground = add(made, "ground", stages=[whole])
    trained(made, ground)
    made.recipes["over"] = Recipe(name="over", stages=[ADAPTED], variants=[Variant("mini", base=ground, scale="mini")])
    found = trained(made, made.recipes["over"]["mini"])
    assert found.base == Directory(str(tmp_path.resolve() / "store" / "checkpoints" / made.keys.fingerprint(ground)))


def test_one_device_is_used():
    assert one_device(None) == "cpu"


def test_several_devices_are_refused(monkeypatch):
    from harness.jobs import devices

    monkeypatch.setattr(devices, "visible_gpus", lambda: [0, 1])
    assert one_device("1") == "cuda:1"
    with pytest.raises(DeviceError, match="--gpu 0,1: 2 devices, and this takes one"):
        one_device("0,1")
