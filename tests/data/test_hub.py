"""Datasets on the hub: held to the revisions of the lock file; where there is no network, said so."""

import json

import pytest

from harness import Dataset, Hub
from harness.data.reading.hub import resolve, revision
from harness.data.reading.rows import Access, load
from harness.errors import DataError

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def locked(tmp_path):
    path = tmp_path / "hub.lock.json"
    path.write_text(json.dumps({"datasets": {"org/name": SHA}, "models": {"org/model": SHA[::-1]}}))
    return path


@pytest.fixture
def offline(monkeypatch):
    """The hub's client, told at its import that there is no network."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_recorded_revision_is_what_is_read(locked):
    assert revision("dataset", "org/name", locked) == SHA
    assert resolve("dataset", "org/name", locked) == SHA
    assert resolve("model", "org/model", locked) == SHA[::-1]


def test_a_dataset_and_a_model_of_one_name_have_revisions_of_their_own(locked):
    assert revision("model", "org/name", locked) is None


def test_what_was_never_recorded_has_no_revision(locked, tmp_path):
    assert revision("dataset", "org/other", locked) is None
    assert revision("dataset", "org/name", tmp_path / "nowhere.json") is None
    assert revision("dataset", "org/name", None) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"datasets": ["org/name"]}'])
def test_a_broken_lock_file_is_told_with_what_to_do(locked, text):
    locked.write_text(text)
    with pytest.raises(DataError, match=r"hub\.lock\.json is not a lock file of hub revisions") as error:
        revision("dataset", "org/name", locked)
    assert error.value.remedy == "Restore it from version control."


@pytest.mark.parametrize(
    ("kind", "remedy"), [("dataset", "or put the rows below --data-root."), ("model", "or name a local directory.")]
)
def test_without_network_an_unrecorded_revision_is_told_and_nothing_is_recorded(offline, locked, kind, remedy):
    before = locked.read_text()
    with pytest.raises(DataError, match=f"{kind} org/other: no revision is recorded, and the hub gives none") as error:
        resolve(kind, "org/other", locked)
    assert error.value.remedy.endswith(remedy)
    assert locked.read_text() == before


def test_a_hub_dataset_without_network_or_file_says_where_its_rows_may_lie(offline, locked, tmp_path):
    pytest.importorskip("datasets", reason="datasets is not installed")
    wanted = Dataset(name="d", mini=Hub("org/name", split="test"))
    with pytest.raises(DataError, match=f"dataset d: org/name:test at revision {SHA[:8]} cannot be loaded") as error:
        load(wanted, Access("mini", tmp_path, lock_file=locked))
    assert error.value.remedy == "Put its rows at org/name/test.jsonl below --data-root."
