"""Datasets on the hub: held to the revisions of the lock file; where there is no network, said so."""

import json
from types import SimpleNamespace

import pytest

from harness import Dataset, Hub
from harness.data.reading.hub import check_access, resolve, revision
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


@pytest.fixture
def hub_says(monkeypatch):
    """The hub answers whether this user may have a model's files."""
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    from huggingface_hub import errors

    asked = []

    def set_up(name):
        def auth_check(self, model):
            asked.append(model)
            if name is not None:
                raise getattr(errors, name)("401", response=SimpleNamespace(headers={}, request=None))

        monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", auth_check)
        return asked

    return set_up


def test_a_gated_model_is_refused_before_anything_runs_with_the_page_of_its_licence(hub_says):
    hub_says("GatedRepoError")
    with pytest.raises(DataError) as told:
        check_access("meta-llama/Llama-3.2-3B-Instruct", SHA)
    assert "accepted its licence" in told.value.problem
    assert "https://huggingface.co/meta-llama/Llama-3.2-3B-Instruct" in told.value.remedy
    assert "hf auth login" in told.value.remedy


def test_a_model_that_the_hub_does_not_show_is_named(hub_says):
    hub_says("RepositoryNotFoundError")
    with pytest.raises(DataError, match="model org/typo: the hub has no such model, or does not show it"):
        check_access("org/typo", None)


def test_where_the_hub_cannot_be_asked_nothing_is_said_yet(offline):
    check_access("org/model", SHA)


def test_of_a_cached_model_nothing_is_asked(hub_says, monkeypatch):
    import huggingface_hub

    asked = hub_says("GatedRepoError")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda model, file, revision: "/there/config.json")
    check_access("org/model", SHA)
    assert asked == []
