"""Who is shown what, and what is kept of what is said; without a browser."""

from collections import Counter

import pytest

from harness.serving.rating.desk import Desk, NameTaken, Outdated
from harness.serving.rating.showings import showings
from harness.store import Store
from harness.store.ratings import read_ratings
from tests.rating_server import rateable


@pytest.fixture
def desk(tmp_path):
    rated = rateable(20)
    return Desk(Store(tmp_path), rated.comparison, rated.items)


def say(desk, state, value, name="Anna", secret="1", **other):
    shown = state["shown"]
    said = {
        "comparison": state["comparison"],
        "sample": shown["sample"],
        "again": shown["again"],
        "value": value,
        **other,
    }
    return desk.rate(name, secret, said)


def test_every_rater_sees_all_once_some_twice_and_the_common_ones_first():
    items = rateable(40).items
    anna, ben = showings(items, "key", "Anna"), showings(items, "key", "Ben")
    assert anna == showings(items, "key", "Anna")
    assert [one.place for one in anna] != [one.place for one in ben]
    for shown in (anna, ben):
        assert Counter(one.again for one in shown) == {0: 40, 1: 4}
        assert {one.item.sample_id for one in shown[:10]} == {f"s{i}" for i in range(10)}
        first = {one.item.sample_id: i for i, one in enumerate(shown) if not one.again}
        assert all(i - first[one.item.sample_id] >= 10 for i, one in enumerate(shown) if one.again)
    sides = Counter(one.order for rater in range(50) for one in showings(items, "key", str(rater)))
    assert 0.45 < sides[0, 1] / sides.total() < 0.55


def test_what_is_said_of_a_side_is_kept_of_its_subject(desk, tmp_path):
    state = desk.join("Anna", "1", same_person=False)
    expected = {}
    while state["shown"] is not None:
        left = state["shown"]["answers"][0]
        assert "a-mini" not in str(state), "nothing tells whose an answer is"
        expected[state["shown"]["sample"], state["shown"]["again"]] = "first" if "one" in left.split() else "second"
        state = say(desk, state, "left", note="so it is", seconds=2.25)
    assert (state["done"], state["total"], state["at"]) == (22, 22, None)
    [rated] = read_ratings(Store(tmp_path))
    assert {one.place: one.value for one in rated.ratings} == expected
    assert {one.on_left for one in rated.ratings} == {"a-mini", "b-mini"}
    assert all((one.value == "first") == (one.on_left == "a-mini") for one in rated.ratings)
    assert {(one.note, one.seconds) for one in rated.ratings} == {("so it is", 2.2)}


def test_a_rating_is_looked_at_again_and_changed(desk, tmp_path):
    state = say(desk, desk.join("Anna", "1", same_person=False), "right")
    back = desk.show("Anna", "1", 0)
    assert (back["shown"]["value"], back["done"]) == ("right", 1)
    assert say(desk, back, "bad")["at"] == state["at"]
    [rated] = read_ratings(Store(tmp_path))
    assert [one.value for one in rated.ratings] == ["bad"]


def test_a_rater_goes_on_after_the_server_was_ended(desk, tmp_path):
    state = say(desk, desk.join("Anna", "1", same_person=False), "left")
    again = Desk(desk.store, desk.comparison, desk.items)
    assert again.join("Anna", "1", same_person=False) == state


def test_a_name_is_one_persons(desk):
    say(desk, desk.join(" Anna ", "1", same_person=False), "left")
    with pytest.raises(NameTaken, match="Anna has rated 1 here already"):
        desk.join("anna", "2", same_person=False)
    with pytest.raises(NameTaken, match="has not said whose it is"):
        desk.show("Anna", "2", None)
    assert desk.join("ANNA", "2", same_person=True)["done"] == 1
    for odd in ("", "  ", "x" * 61, "\x1b[31m"):
        with pytest.raises(NameTaken, match="a name has 1 to 60 letters"):
            desk.join(odd, "3", same_person=False)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"comparison": "another"}, "made anew since"),
        ({"sample": "s99"}, "not one of the pairs"),
        ({"again": 7}, "not one of the pairs"),
        ({"sample": ["s1"]}, "not one of the pairs"),
        ({"value": "best"}, "nothing that can be said of a pair"),
        ({"value": None}, "nothing that can be said of a pair"),
    ],
)
def test_what_cannot_be_said_is_not_kept(desk, tmp_path, said, why):
    state = desk.join("Anna", "1", same_person=False)
    shown = {"comparison": state["comparison"], "sample": state["shown"]["sample"], "again": 0, "value": "left"}
    with pytest.raises(Outdated, match=why):
        desk.rate("Anna", "1", {**shown, **said})
    assert read_ratings(Store(tmp_path))[0].ratings == ()


def test_single_answers_are_rated_by_points(tmp_path):
    rated = rateable(10, points=5)
    desk = Desk(Store(tmp_path), rated.comparison, rated.items)
    state = desk.join("Anna", "1", same_person=False)
    assert len(state["shown"]["answers"]) == 1
    with pytest.raises(Outdated, match="not on the scale from 1 to 5"):
        say(desk, state, "6")
    say(desk, state, "4")
    [found] = read_ratings(Store(tmp_path))
    assert [one.number for one in found.ratings] == [4.0]
