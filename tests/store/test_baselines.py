"""Baselines: evaluations blessed under a name, and read again; each mistake told with what to do."""

import json

import pytest

from harness.errors import HarnessError, StoreError
from harness.store import Store
from harness.store.baselines import all_of, bless, blessed_by_anyone, read, rows_of

MEASURED = {"plain-mini": {"tone": "a" * 64, "quiz": "b" * 64}, "other-mini": {"tone": "c" * 64}}


def test_a_blessed_baseline_is_read_as_it_was_written(tmp_path):
    blessed = bless(Store(tmp_path), "main", MEASURED, "0123456789ab+")
    assert read(Store(tmp_path), "main") == blessed
    assert blessed.keys == {"a" * 64, "b" * 64, "c" * 64}
    assert (blessed.commit_id, blessed.set_at[4]) == ("0123456789ab+", "-")


def test_blessing_again_keeps_what_is_not_measured_now(tmp_path):
    bless(Store(tmp_path), "main", MEASURED, None)
    again = bless(Store(tmp_path), "main", {"plain-mini": {"tone": "d" * 64}, "new-mini": {"tone": "e" * 64}}, None)
    assert again.evaluations == {
        "plain-mini": {"tone": "d" * 64, "quiz": "b" * 64},
        "other-mini": {"tone": "c" * 64},
        "new-mini": {"tone": "e" * 64},
    }


@pytest.mark.parametrize("name", ["", "a/b", "../up", "two words", "über/x"])
def test_a_name_that_is_no_files_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(HarnessError, match="a name has letters, digits, dots, _ and - only") as error:
        bless(Store(tmp_path), name, MEASURED, None)
    assert error.value.remedy == "Try: main, v1.2"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_baseline_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(StoreError, match=r"there is no baseline 'mian' in .* \(there: none\)"):
        read(Store(tmp_path), "mian")
    for name in ("v1.2", "main"):
        bless(Store(tmp_path), name, MEASURED, None)
    with pytest.raises(StoreError, match=r"\(there: main, v1\.2\)") as error:
        read(Store(tmp_path), "mian")
    assert error.value.remedy == "Set it: harness baseline set mian"
    assert [baseline.name for baseline in all_of(Store(tmp_path))] == ["main", "v1.2"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"name": "main", "unknown": 1})])
def test_a_broken_baseline_is_told_with_what_to_do(tmp_path, text):
    bless(Store(tmp_path), "main", MEASURED, None)
    (tmp_path / "baselines" / "main.json").write_text(text)
    with pytest.raises(StoreError, match=r"main\.json is not a baseline") as error:
        read(Store(tmp_path), "main")
    assert error.value.remedy == "Set it anew: harness baseline set main"


def test_a_baseline_is_one_row_for_each_evaluation(tmp_path):
    blessed = bless(Store(tmp_path), "main", MEASURED, "0123")
    rows = list(rows_of(Store(tmp_path)))
    assert [(row["subject"], row["suite"], row["evaluation"][0]) for row in rows] == [
        ("plain-mini", "tone", "a"), ("plain-mini", "quiz", "b"), ("other-mini", "tone", "c"),
    ]  # fmt: skip
    assert {(row["name"], row["commit_id"], row["set_at"]) for row in rows} == {("main", "0123", blessed.set_at)}


def test_projects_that_share_a_store_have_baselines_of_their_own(tmp_path):
    bless(Store(tmp_path), "v1", {"plain-mini": {"tone": "0" * 64}}, None)  # before there were names
    owls, kites = Store(tmp_path, "owls"), Store(tmp_path, "kites")
    bless(owls, "main", {"plain-mini": {"tone": "a" * 64}}, None)
    bless(kites, "main", {"plain-mini": {"tone": "b" * 64}}, None)
    assert read(owls, "main").keys == {"a" * 64}
    assert read(kites, "main").keys == {"b" * 64}
    assert [baseline.name for baseline in all_of(owls)] == ["main", "v1"]
    again = bless(owls, "v1", {"plain-mini": {"quiz": "c" * 64}}, None)
    assert again.keys == {"0" * 64, "c" * 64}
    assert read(kites, "v1").keys == {"0" * 64}
    assert blessed_by_anyone(owls) == {letter * 64 for letter in "0abc"}
