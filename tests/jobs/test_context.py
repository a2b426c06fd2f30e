"""Where weights are that a job needs, by key; and what is said of rows that were left out."""

import dataclasses
import json
from pathlib import Path

import pytest

from harness import Dataset, Embedded, Finetune, Fresh, Lora, Mix, Recipe, Variant
from harness.data.reading.rows import Loaded
from harness.files import FileDigests
from harness.fingerprint.checkpoints import ModelFolders
from harness.jobs.context import model_place, note_left_out, place_of
from harness.jobs.events import Note
from harness.worker.places import Adapted, Directory, GgufFile, HubModel, Published
from tests.hand_made import add

TALK = Dataset(name="talk", mini=Embedded("instructions"))
TUNED = Finetune(data=Mix(TALK.rows(mini=8)), learning_rate=1e-3, epochs=1, effective_batch_size=4)
ADAPTED = Finetune(
    data=Mix(TALK.rows(mini=8)), learning_rate=1e-3, epochs=1, effective_batch_size=4, adapter=Lora(rank=4)
)


def place(made, subject):
    return place_of(made.keys.last(subject), ModelFolders(Path("/project")))


def on(made, name, base, *stages):
    """A recipe of one variant over that base."""
    made.recipes[name] = Recipe(name=name, stages=stages, variants=[Variant("mini", base=base, scale="mini")])
    return made.recipes[name]["mini"]


def test_a_model_of_the_hub_is_used_as_it_is(made):
    assert place(made, add(made, "alpha")) == HubModel("org/alpha", None)


@pytest.mark.parametrize(("declared", "found"), [("own/model", "/project/own/model"), ("{root}/own/model", None)])
def test_a_folder_of_the_projects_own_is_found_from_its_root(made, declared, found):
    folder = made.root / "own" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    subject = on(made, "own", declared.format(root=made.root))
    assert place(made, subject) == Directory(found or str(folder))


def test_a_checkpoint_is_named_by_its_key(made):
    subject = on(made, "tuned", "org/base", TUNED)
    assert place(made, subject) == Published(made.keys.fingerprint(subject))
    assert model_place(made.keys.last(subject).parent, ModelFolders(Path("/project"))) == HubModel("org/base", None)


def test_an_adapter_stands_over_its_base_whatever_that_is(made):
    over_hub = on(made, "over_hub", "org/base", ADAPTED)
    assert place(made, over_hub) == Adapted(Published(made.keys.fingerprint(over_hub)), HubModel("org/base", None))
    tuned = on(made, "tuned", "org/base", TUNED)
    over_tuned = on(made, "over_tuned", tuned, ADAPTED)
    assert place(made, over_tuned) == Adapted(
        Published(made.keys.fingerprint(over_tuned)), Published(made.keys.fingerprint(tuned))
    )


def test_a_folder_with_an_adapter_stands_over_the_base_that_it_names(made, tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder in (base, adapter):
        folder.mkdir()
        (folder / "config.json").write_text("{}")  # other trainers leave one beside an adapter too
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../base"}))
    assert place(made, on(made, "mine", str(adapter))) == Adapted(Directory(str(adapter)), Directory(str(base)))
    fresh = made.keys.last(on(made, "fresh", Fresh(str(adapter))))
    assert model_place(fresh, ModelFolders(Path("/project"))) == Directory(str(base)), (
        "fresh weights are those of the whole model"
    )
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    assert place(made, on(made, "hub", str(adapter))) == Adapted(Directory(str(adapter)), HubModel("org/base", None))
    (adapter / "model.safetensors").touch()
    assert place(made, on(made, "merged", str(adapter))) == Directory(str(adapter))


def test_rows_that_were_left_out_are_counted_and_listed_in_the_store(tmp_path):
    reported = []
    note_left_out(tmp_path, reported.append, "suite look: own", Loaded([], ["a:1: odd", "a:2: odd"]))
    [note] = reported
    file = tmp_path / "left_out" / "suite-look-own.txt"
    assert note == Note(f"suite look: own: 2 rows left out, listed in {file}")
    assert file.read_text() == "a:1: odd\na:2: odd\n"
    note_left_out(tmp_path, reported.append, "suite look", Loaded([{}], []))
    assert len(reported) == 1


@pytest.mark.parametrize("named", ["org/model", "model", "files/model.gguf"])
def test_a_model_that_the_machine_keeps_is_found_by_its_name_and_known_by_its_bytes(made, tmp_path, named):
    kept = tmp_path / "models"
    file = kept / named if named.endswith(".gguf") else kept / named / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    keys = dataclasses.replace(made.keys, models=kept)
    alpha = on(made, "alpha", named)
    planned = keys.chain(alpha)[0]
    found = model_place(planned, keys.folders)
    assert found in (Directory(str(kept / named)), GgufFile(str(kept / named), planned.spec["base"].get("gguf")))
    file.write_text("{ }")
    assert dataclasses.replace(keys, files=FileDigests(None)).fingerprint(alpha) != keys.fingerprint(alpha)


def test_the_projects_own_folder_comes_before_the_machines(made, tmp_path):
    for root in (made.root, tmp_path / "models"):
        (root / "mine").mkdir(parents=True)
        (root / "mine" / "config.json").write_text("{}")
    keys = dataclasses.replace(made.keys, models=tmp_path / "models")
    assert model_place(keys.last(on(made, "alpha", "mine")), keys.folders) == Directory(str(made.root / "mine"))
    assert keys.folders.of("org/else") == made.root / "org/else"
