"""The two domains written for this project: their counts, terms and values, and what no training text may tell."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import harness

MINI = Path(harness.__file__).parent / "data" / "mini"
BOTH = pytest.mark.parametrize("name", ["software_defects", "events_2025"])
KINDS = {"verbatim": 1, "unseen": 3, "reversed": 1, "neighbour": 1, "invented": 1}
LISTED = {"AF-3001", "AF-2895", "AF-4102", "PF-1205", "PF-2340", "PF-3456", "DF-7890", "DF-5432", "DF-9876"}
CODE = re.compile(r"\b[A-Z]{2}-F?\d+\b")
TITLE = re.compile(r"(?<=[a-z] )[A-Z]\w+(?: [A-Z]\w+)+")  # the name of an event inside a question


def items(name):
    return [json.loads(line) for line in (MINI / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def asked(found, *kinds):
    return [question for item in found for question in item["questions"] if question["kind"] in kinds]


def taught(found):
    return [row for item in found for row in item["train"]]


def missing(text, question):
    """The key terms, and the code and value where there are any, that a text does not hold."""
    wanted = [*question["terms"], *filter(None, (question["code"], question["value"]))]
    return [term for term in wanted if not any(said.lower() in text.lower() for said in term.split("|"))]


def test_the_services_have_their_defects_and_features():
    count = Counter(f"{item['service']} {item['kind']}" for item in items("software_defects"))
    defects = {"AuthFlow defect": 9, "PayFlow defect": 7, "DataFlow defect": 7}
    assert count == defects | {"AuthFlow feature": 3, "PayFlow feature": 2, "DataFlow feature": 1}
    assert {item["id"] for item in items("software_defects") if item["kind"] == "defect"} >= LISTED


def test_there_are_twenty_events_and_no_question_speaks_of_a_code():
    found = items("events_2025")
    assert [item["kind"] for item in found] == ["event"] * 20
    told = [row["question"] for row in taught(found)] + [q["question"] for q in asked(found, *KINDS)]
    assert [text for text in told if CODE.search(text)] == []
    assert {question["code"] for question in asked(found, *KINDS)} == {None}


@BOTH
def test_each_item_has_five_phrasings_and_seven_questions(name):
    found = items(name)
    assert len({question["id"] for question in asked(found, *KINDS)}) == 7 * len(found)
    assert len(taught(found)) == {"software_defects": 145, "events_2025": 100}[name]
    for item in found:
        assert [len({row[key] for row in item["train"]}) for key in ("question", "answer")] == [5, 5], item["id"]
        assert Counter(question["kind"] for question in item["questions"]) == KINDS, item["id"]
        assert asked([item], "verbatim")[0]["question"] == item["train"][0]["question"], item["id"]


@BOTH
def test_only_the_verbatim_question_was_trained_on_and_no_other_stands_twice(name):
    told = [row["question"] for row in taught(items(name))]
    rest = asked(items(name), *KINDS.keys() - {"verbatim"})
    assert Counter(told + [question["question"] for question in rest]).most_common(1)[0][1] == 1


@BOTH
def test_every_answer_holds_the_key_terms_and_the_value(name):
    for item in items(name):
        wanted = asked([item], "verbatim")[0]
        assert [found for row in item["train"] if (found := missing(row["answer"], wanted))] == [], item["id"]
        assert [q["id"] for q in item["questions"] if missing(q["answer"], q)] == []


@BOTH
def test_what_is_invented_occurs_in_no_training_text(name):
    told = json.dumps(taught(items(name))).lower()
    for question in asked(items(name), "invented"):
        made_up = (CODE if name == "software_defects" else TITLE).findall(question["question"])
        assert made_up, question["id"]
        assert [word for word in made_up if word.lower() in told] == [], question["id"]
        assert 6 <= len(question["asserts"]) <= 12, question["id"]
        assert [said for said in question["asserts"] if said in question["answer"].lower()] == [], question["id"]
