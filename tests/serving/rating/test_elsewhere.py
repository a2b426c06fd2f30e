"""Tasks for Label Studio and Argilla, and their ratings back, in the forms that both document."""

import json
from xml.etree import ElementTree

import pytest

from harness.errors import HarnessError
from harness.serving.rating.elsewhere import CONFIG, take_in, tasks
from harness.store import Store
from harness.store.ratings import read_ratings
from tests.rating_server import rateable


def back(tmp_path, listed):
    file = tmp_path / "back.json"
    file.write_text(json.dumps(listed))
    return file


def annotated(task, number, value, by=7, note=None, **more):
    """A task as Label Studio exports it."""
    result = [
        {"id": "x", "from_name": "preferred", "to_name": "prompt", "type": "choices", "value": {"choices": [value]}}
    ]
    if note:
        result.append({"from_name": "note", "to_name": "prompt", "type": "textarea", "value": {"text": [note]}})
    return {"id": number, "data": task["data"], "annotations": [{"id": number, "completed_by": by, "result": result, "lead_time": 4.25, "was_cancelled": False, **more}], "predictions": []}  # fmt: skip


def kept(tmp_path):
    [rated] = read_ratings(Store(tmp_path / "store"))
    return {(one.rater, one.sample_id): one for one in rated.ratings}


def test_label_studios_choices_are_those_of_the_subjects(tmp_path):
    rated = rateable(12)
    made = json.loads(tasks(rated, "label-studio"))
    assert "a-mini" not in json.dumps(made), "blind"
    file = back(tmp_path, [annotated(task, i, "left", note="so" if i == 3 else None) for i, task in enumerate(made)])
    assert take_in(Store(tmp_path / "store"), rated, file) == (12, 12)
    assert take_in(Store(tmp_path / "store"), rated, file) == (0, 12), "once"
    found = kept(tmp_path)
    for task in made:
        one = found["7", task["data"]["sample"]]
        assert one.value == ("first" if "one" in task["data"]["first"].split() else "second")
        assert one.on_left == {"first": "a-mini", "second": "b-mini"}[one.value]
        assert one.seconds == 4.25
    assert [one.note for one in found.values() if one.note] == ["so"]
    assert {one.value for one in found.values()} == {"first", "second"}, "sides are drawn"


def test_its_setup_has_the_names_that_are_read():
    view = ElementTree.fromstring(CONFIG)
    assert [choice.get("value") for choice in view.iter("Choice")] == ["left", "right", "same", "bad"]
    assert {one.get("value") for one in view.iter("Text")} == {"$prompt", "$first", "$second"}


def test_what_was_skipped_is_no_rating_and_people_are_told_apart(tmp_path):
    rated = rateable(3)
    first, second, third = json.loads(tasks(rated, "label-studio"))
    listed = [annotated(first, 1, "same", by={"id": 1, "email": "anna@x"}), annotated(second, 2, "bad", by={"id": 2}), annotated(third, 3, "bad", was_cancelled=True)]  # fmt: skip
    assert take_in(Store(tmp_path / "store"), rated, back(tmp_path, listed))[0] == 2
    assert {rater for rater, _ in kept(tmp_path)} == {"anna@x", "2"}


def test_argillas_responses_are_read(tmp_path):
    rated = rateable(4)
    made = json.loads(tasks(rated, "argilla"))
    for record in made:
        assert record["fields"].keys() == {"prompt", "first", "second"}
        record["responses"] = {
            "preferred": [{"value": "right", "user_id": "u1"}, {"value": "same", "user_id": "u2"}],
            "note": [{"value": "hm", "user_id": "u2"}],
        }
    assert take_in(Store(tmp_path / "store"), rated, back(tmp_path, made)) == (8, 8)
    found = kept(tmp_path)
    assert {one.note for one in found.values() if one.rater == "u2"} == {"hm"}
    assert all(one.value == ("second" if one.on_left == "a-mini" else "first") for one in found.values() if one.rater == "u1")  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({}, "holds no list"),
        ([], "nobody has rated any of its 0 tasks"),
        ([3], r"back.json\[0\]: no task and no record"),
        ([{"data": {"sample": "s0", "comparison": "old"}}], "is about other answers"),
        ([{"id": 1}], "is about other answers"),
    ],
)
def test_a_file_of_something_else_is_one_error(tmp_path, listed, said):
    with pytest.raises(HarnessError, match=said):
        take_in(Store(tmp_path / "store"), rateable(3), back(tmp_path, listed))
    (tmp_path / "back.json").write_text("{")
    with pytest.raises(HarnessError, match="not JSON"):
        take_in(Store(tmp_path / "store"), rateable(3), tmp_path / "back.json")


def test_a_choice_that_there_is_not_and_a_prompt_that_was_not_asked_are_told(tmp_path):
    rated = rateable(3)
    [task, *_] = json.loads(tasks(rated, "label-studio"))
    with pytest.raises(HarnessError, match="'better' is none of left, right, same, bad"):
        take_in(Store(tmp_path / "store"), rated, back(tmp_path, [annotated(task, 1, "better")]))
    task["data"]["sample"] = "s99"
    with pytest.raises(HarnessError, match="there is no prompt 's99' among them"):
        take_in(Store(tmp_path / "store"), rated, back(tmp_path, [annotated(task, 1, "left")]))
    with pytest.raises(HarnessError, match="--tasks writes pairs"):
        tasks(rateable(3, points=5), "argilla")
