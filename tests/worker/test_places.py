"""Where weights are, by key, and where that is on a machine that sees the store."""

from pathlib import Path

import pytest

from harness.worker.places import Adapted, Directory, HubModel, Published, located, name_of, store_of, whole_base

HUB = HubModel("org/model", "1234")


@pytest.mark.parametrize("folder", ["checkpoints/c0ffee.partial", "measuring/c0ffee", "measuring/c0ffee-3"])
def test_a_workers_folder_lies_two_levels_below_its_store(tmp_path, folder):
    assert store_of(tmp_path / "store" / folder) == tmp_path.resolve() / "store"


def test_the_store_of_a_relative_folder_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store_of(Path("store/measuring/c0ffee")) == tmp_path.resolve() / "store"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (Published("a"), Directory("/store/checkpoints/a")),
        (
            Adapted(Published("b"), Published("a")),
            Adapted(Directory("/store/checkpoints/b"), Directory("/store/checkpoints/a")),
        ),
        (Adapted(Published("b"), HUB), Adapted(Directory("/store/checkpoints/b"), HUB)),
        (Adapted(Directory("/own"), HUB), Adapted(Directory("/own"), HUB)),
        (HUB, HUB),
        (Directory("/own"), Directory("/own")),
    ],
)
def test_keys_become_folders_of_the_store_and_nothing_else_changes(place, found):
    assert located(place, Path("/store")) == found
    assert located(found, Path("/elsewhere")) == found


def test_the_whole_weights_below_adapters_are_the_base():
    assert whole_base(Adapted(Published("b"), Adapted(Published("a"), HUB))) == HUB
    assert whole_base(Published("a")) == Published("a")


def test_a_library_names_a_folder_or_a_hub_id():
    assert name_of(Directory("/own")) == "/own"
    assert name_of(HUB) == "org/model"
    with pytest.raises(AssertionError, match="is not located"):
        name_of(Published("a"))
