"""Baselines: evaluations blessed under a name, and read again; each mistake told with what to do."""

import json

import pytest

from harness.errors import HarnessError, StoreError
from harness.store.baselines import all_of, bless, read, rows_of

MEASURED = {"plain-mini": {"tone": "a" * 64, "quiz": "b" * 64}, "other-mini": {"tone": "c" * 64}}


def test_a_blessed_baseline_is_read_as_it_was_written(tmp_path):
    blessed = bless(tmp_path, "main", MEASURED, "0123456789ab+")
    assert read(tmp_path, "main") == blessed
    assert blessed.keys == {"a" * 64, "b" * 64, "c" * 64}
    assert (blessed.commit_id, blessed.set_at[4]) == ("0123456789ab+", "-")


def test_blessing_again_keeps_what_is_not_measured_now(tmp_path):
    bless(tmp_path, "main", MEASURED, None)
    again = bless(tmp_path, "main", {"plain-mini": {"tone": "d" * 64}, "new-mini": {"tone": "e" * 64}}, None)
    assert again.evaluations == {
        "plain-mini": {"tone": "d" * 64, "quiz": "b" * 64},
        "other-mini": {"tone": "c" * 64},
        "new-mini": {"tone": "e" * 64},
    }


@pytest.mark.parametrize("name", ["", "a/b", "../up", "two words", "über/x"])
def test_a_name_that_is_no_files_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(HarnessError, match="a name has letters, digits, dots, _ and - only") as error:
        bless(tmp_path, name, MEASURED, None)
    assert error.value.remedy == "Try: main, v1.2"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_baseline_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(StoreError, match=r"there is no baseline 'mian' in .* \(there: none\)"):
        read(tmp_path, "mian")
    for name in ("v1.2", "main"):
        bless(tmp_path, name, MEASURED, None)
    with pytest.raises(StoreError, match=r"\(there: main, v1\.2\)") as error:
        read(tmp_path, "mian")
    assert error.value.remedy == "Set it: harness baseline set mian"
    assert [baseline.name for baseline in all_of(tmp_path)] == ["main", "v1.2"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"name": "main", "unknown": 1})])
def test_a_broken_baseline_is_told_with_what_to_do(tmp_path, text):
    bless(tmp_path, "main", MEASURED, None)
    (tmp_path / "baselines" / "main.json").write_text(text)
    with pytest.raises(StoreError, match=r"main\.json is not a baseline") as error:
        read(tmp_path, "main")
    assert error.value.remedy == "Set it anew: harness baseline set main"


def test_a_baseline_is_one_row_for_each_evaluation(tmp_path):
    blessed = bless(tmp_path, "main", MEASURED, "0123")
    rows = list(rows_of(tmp_path))
    assert [(row["subject"], row["suite"], row["evaluation"][0]) for row in rows] == [
        ("plain-mini", "tone", "a"), ("plain-mini", "quiz", "b"), ("other-mini", "tone", "c"),
    ]  # fmt: skip
    assert {(row["name"], row["commit_id"], row["set_at"]) for row in rows} == {("main", "0123", blessed.set_at)}
