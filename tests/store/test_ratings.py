"""Ratings in the store: kept line by line, the last one counts, a cut line is none."""

import pytest

from harness.store import Store
from harness.store.ratings import (
    Comparison,
    RaterFile,
    Rating,
    answers_rated,
    raters_of,
    read_ratings,
    rows_of,
)

PAIRS = Comparison("tone", ("a-mini", "b-mini"), ("key-a", "key-b"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def said(sample="s1", value="first", **other):
    return Rating(**{"rater": "Anna", "sample_id": sample, "showing": 0, "value": value, "on_left": "a-mini", **other})


def test_the_last_of_each_place_counts_and_the_same_twice_is_once(store):
    file = RaterFile(store, PAIRS, "Anna", "secret")
    assert file.add(said())
    assert not file.add(said())
    assert file.add(said(value="same"))
    assert file.add(said(showing=1))
    [rated] = read_ratings(store)
    assert rated.comparison == PAIRS
    assert [(one.sample_id, one.showing, one.value, one.number) for one in rated.ratings] == [("s1", 0, "same", 0.0), ("s1", 1, "first", 1.0)]  # fmt: skip
    assert len(file.path.read_text().splitlines()) == 4


def test_a_line_that_a_kill_has_cut_is_none_and_what_follows_is_whole(store):
    file = RaterFile(store, PAIRS, "Anna", "secret")
    file.add(said("s1"))
    file.add(said("s2"))
    whole = file.path.read_bytes()
    for cut in range(len(whole)):
        file.path.write_bytes(whole[:cut])
        again = RaterFile(store, PAIRS, "Anna", "secret")
        again.add(said("s3"))
        [rated] = read_ratings(store)
        lines = whole[:cut].count(b"\n") - 1
        kept = {"s1", "s2"} if cut == len(whole) - 1 else {"s1"} if lines >= 1 or whole[:cut] == whole.rsplit(b"\n", 2)[0] else set()  # fmt: skip
        assert {one.sample_id for one in rated.ratings} == kept | {"s3"}, cut
        assert again.known("secret")


def test_who_takes_over_a_name_is_known_after_the_server_was_ended(store):
    file = RaterFile(store, PAIRS, "Anna", "old")
    file.add(said())
    file.taken_over("new")
    again = RaterFile(store, PAIRS, "Anna", "other")
    assert (again.known("new"), again.known("old"), again.known("other")) == (True, False, False)
    assert len(again.last) == 1


def test_a_line_that_a_full_disk_has_cut_takes_no_other_with_it(store):
    file = RaterFile(store, PAIRS, "Anna", "s")
    file.add(said("s1"))
    with file.path.open("ab") as disk:
        disk.write(b'{"rater": "Anna", "samp')
    file.add(said("s2"))
    assert [one.sample_id for one in read_ratings(store)[0].ratings] == ["s1", "s2"]


def test_one_person_on_two_machines_is_one_rater_and_two_projects_have_a_file_each(store, monkeypatch):
    RaterFile(store, PAIRS, "Anna", "s").add(said("s1"))
    monkeypatch.setattr("harness.store.ratings.platform.node", lambda: "another")
    there = RaterFile(store, PAIRS, "Anna", "t")
    assert ("s1", 0) in there.last
    there.add(said("s1", "second"))
    there.add(said("s2"))
    [rated] = read_ratings(store)
    assert [(one.sample_id, one.value) for one in rated.ratings] == [("s1", "second"), ("s2", "first")]
    own = Store(store.root, "mine")
    RaterFile(own, PAIRS, "Anna", "s").add(said("s3"))
    assert len(list(store.shared("ratings").iterdir())) == 3


def test_two_raters_have_two_files_and_the_secret_is_not_kept(store):
    first, second = RaterFile(store, PAIRS, "Anna", "hush-hush"), RaterFile(store, PAIRS, "Ben", "other")
    first.add(said())
    second.add(said(rater="Ben", value="bad"))
    assert set(raters_of(store, PAIRS)) == {"Anna", "Ben"}
    assert "hush-hush" not in first.path.read_text()
    assert first.known("hush-hush")
    assert not first.known("other")
    assert answers_rated(store) == {"key-a", "key-b"}


def test_rows_are_the_columns_of_the_table(store):
    RaterFile(store, PAIRS, "Anna", "s").add(said(note="too long", seconds=3.5))
    scale = Comparison("tone", ("a-mini",), ("key-a",), 5)
    RaterFile(store, scale, "Anna", "s").add(said(value="4"))
    pair, single = sorted(rows_of(store), key=lambda row: row["points"] or 0)
    assert (pair["first"], pair["second"], pair["number"], pair["note"], pair["seconds"]) == ("a-mini", "b-mini", 1.0, "too long", 3.5)  # fmt: skip
    assert (single["second"], single["second_answers"], single["points"], single["number"]) == (None, None, 5, 4.0)


def test_another_projects_ratings_are_not_read(tmp_path):
    RaterFile(Store(tmp_path, "mine"), PAIRS, "Anna", "s").add(said())
    assert read_ratings(Store(tmp_path, "theirs")) == []
    assert len(read_ratings(Store(tmp_path, "mine"))) == 1
    assert answers_rated(Store(tmp_path, "theirs")) == {"key-a", "key-b"}, "prune keeps them"
