"""What decides declared rows: bytes or a revision, how they are read, and which of them are taken."""

import dataclasses
import json

import pytest

from harness import Dataset, Embedded, Files, Hub, Mix
from harness.data.reading.rows import EMBEDDED, Access
from harness.errors import DataError
from harness.files import FileDigests, sha256
from harness.fingerprint.data import DataKeys
from tests.fingerprint.stages import FACTS, FINETUNE, chain, keys_of

QUIZ = Dataset(name="quiz", mini=Embedded("quiz"), full=Hub("org/quiz", split="test"))


def data_keys(data_root=None, lock_file=None, without_data=False, scale="mini"):
    """The keys of data, with nothing asked of the hub."""
    access = Access(scale, data_root, lock_file=lock_file)
    return DataKeys(access, FileDigests(None), pin=False, without_data=without_data)


def test_the_same_bytes_at_another_path_are_the_same_data(tmp_path):
    def key(folder, name, text):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(text)
        rows = Dataset(name="rows", mini=Files(name))
        keys = keys_of(tmp_path, tmp_path / folder)
        return chain([dataclasses.replace(FINETUNE, data=Mix(rows))], keys, base="org/model")[-1]

    assert key("a", "rows.jsonl", '{"text": "one"}\n') == key("b", "others.jsonl", '{"text": "one"}\n')
    assert key("a", "rows.jsonl", '{"text": "one"}\n') != key("c", "rows.jsonl", '{"text": "two"}\n')


def test_a_part_of_a_dataset_is_its_bytes_how_they_are_read_and_what_is_taken():
    [found] = data_keys().of(FACTS.rows(mini=20), "mini")
    assert found == {"bytes": sha256(EMBEDDED / "facts.jsonl"), "reads": {"text": "statement"}, "rows": 20}
    [held_out] = data_keys().of(FACTS.rows(mini=20).held_out(5, mini=5), "mini")
    assert held_out == {**found, "rows": 5, "skip": 20}
    whole = data_keys().of(FACTS, "mini")
    assert whole == [{name: value for name, value in found.items() if name != "rows"}]


@pytest.mark.parametrize(
    "reads",
    [
        {"text": "text"},
        {"prompt": "{a}", "completion": "{b}"},
        {"only": {"split": "test"}},
        {"require": "answer"},
        {"explode": "claims"},
        {"group": "page"},
        {"keep": ("citation",)},
        {"min_chars": 3},
        {"max_chars": 30},
        {"separator": "---"},
    ],
    ids=lambda reads: next(iter(reads)),
)
def test_every_way_to_read_a_file_otherwise_changes_its_key(tmp_path, reads):
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n')
    plain, other = (Dataset(name="rows", mini=Files("rows.jsonl", **how)) for how in ({}, reads))
    keys = data_keys(tmp_path)
    assert keys.of(plain, "mini") != keys.of(other, "mini")


def test_a_share_of_a_mix_is_part_of_its_key():
    other = Dataset(name="other", mini=Embedded("passages"))
    first, second = data_keys().of(Mix(FACTS.share(0.75), other.share(0.25)), "mini")
    assert (first["share"], second["share"]) == (0.75, 0.25)


def test_the_two_sides_of_a_split_mix_differ_by_the_side_alone():
    train, held_out = Mix(FACTS).split(50, mini=10)
    keys = data_keys()
    assert keys.of(train, "mini")[:-1] == keys.of(held_out, "mini")[:-1] == keys.of(FACTS, "mini")
    assert keys.of(train, "mini")[-1] == {"side": "train", "held_out_rows": 10}
    assert keys.of(held_out, "mini")[-1] == {"side": "held_out", "held_out_rows": 10}


def test_the_scale_picks_the_source():
    assert "bytes" in data_keys().of(QUIZ, "mini")[0]
    assert data_keys().of(QUIZ, "full")[0]["hub"] == "org/quiz"


def test_a_hub_dataset_counts_by_its_recorded_revision(tmp_path):
    keys = data_keys(lock_file=tmp_path / "hub.lock.json", scale="full")
    expected = {"hub": "org/quiz", "config": None, "split": "test", "reads": {}}
    assert keys.of(QUIZ, "full") == [{**expected, "revision": None}], "never recorded, and nothing is asked of the hub"
    (tmp_path / "hub.lock.json").write_text(json.dumps({"datasets": {"org/quiz": "abc"}, "models": {}}))
    keys = data_keys(lock_file=tmp_path / "hub.lock.json", scale="full")
    assert keys.of(QUIZ, "full") == [{**expected, "revision": "abc"}]


def test_a_local_copy_of_a_hub_dataset_counts_by_its_bytes(tmp_path):
    copy = tmp_path / "org" / "quiz" / "test.jsonl"
    copy.parent.mkdir(parents=True)
    copy.write_text('{"text": "one"}\n')
    assert data_keys(tmp_path).of(QUIZ, "full") == [{"bytes": sha256(copy), "reads": {}}]


def test_the_file_of_a_published_mix_stands_for_its_parts(tmp_path):
    parts = [Dataset(name=name, full=Hub(f"org/{name}")).rows(100) for name in ("one", "two")]
    mix = Mix(*parts, file="mix.jsonl")
    assert len(data_keys(tmp_path).of(mix, "full")) == 2
    (tmp_path / "mix.jsonl").write_text('{"text": "one"}\n')
    assert data_keys(tmp_path).of(mix, "full") == [{"bytes": sha256(tmp_path / "mix.jsonl"), "reads": {}, "rows": 200}]


def test_a_file_that_is_not_at_hand_is_an_error_but_where_only_a_plan_is_made(tmp_path):
    rows = Dataset(name="rows", full=Files("rows.jsonl")).rows(7)
    with pytest.raises(DataError, match=r"rows\.jsonl does not exist"):
        data_keys(tmp_path).of(rows, "full")
    assert data_keys(tmp_path, without_data=True).of(rows, "full") == [{"bytes": None, "rows": 7}]


def test_a_key_that_was_given_out_is_not_shared():
    keys, rows = data_keys(), FACTS.rows(mini=20)
    keys.of(rows, "mini").append({"more": True})
    assert len(keys.of(rows, "mini")) == 1


def test_rows_that_are_added_are_part_of_the_data_and_all_that_are_taken_are_the_whole():
    own, other = FACTS.rows(mini=20), Dataset(name="quiz", mini=Embedded("quiz")).rows(mini=9)

    def key(mix):
        return data_keys().of(mix, "mini")

    plain = key(Mix(own))
    assert key(Mix(own).add(other)) == [*plain, {"added": key(other)}]
    assert key(Mix(own).add(other)) != key(Mix(own).add(Mix(other).take(5)))
    assert key(Mix(own).take(20).add(other)) == key(Mix(own).add(other))
    assert key(Mix(own).add(other, own)) != key(Mix(own).add(own, other))
