"""The statistics corpora: their counts, their fields, the fairness of the choices, and what must stay apart."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import harness

MINI = Path(harness.__file__).parent / "data" / "mini"
FIELDS = {
    "statistics_qa": {"id", "kind", "group", "question", "answer", "citation"},
    "statistics_critical": {"id", "topic", "question", "answer", "key_points"},
    "statistics_choices": {"id", "topic", "question", "choices", "answerKey"},
}
COUNTS = {"statistics_qa": 173, "statistics_critical": 100, "statistics_choices": 120}


def rows(name):
    return [json.loads(line) for line in (MINI / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def told(text, alternatives):
    return any(re.search(r"(?<!\w)" + re.escape(stem), text.lower()) for stem in alternatives.split("|"))


@pytest.mark.parametrize("name", FIELDS)
def test_every_row_has_its_fields_and_an_id_and_a_question_of_its_own_in_ascii(name):
    found = rows(name)
    assert len(found) == len({row["id"] for row in found}) == len({row["question"] for row in found}) == COUNTS[name]
    for row in found:
        assert set(row) == FIELDS[name], row["id"]
        assert all(value for key, value in row.items() if key != "citation"), row["id"]
        assert json.dumps(row, ensure_ascii=False).isascii(), row["id"]


def test_training_rows_come_from_a_forum_or_from_papers_that_form_groups():
    found = rows("statistics_qa")
    assert Counter(row["kind"] for row in found) == {"forum": 25, "paper": 148}
    assert all(row["group"] == row["id"] and row["citation"] is None for row in found if row["kind"] == "forum")
    papers = [row for row in found if row["kind"] == "paper"]
    assert set(Counter(row["group"] for row in papers).values()) <= {4, 5, 6}
    assert len({row["group"] for row in papers}) == len({(row["group"], row["citation"]) for row in papers}) >= 28
    assert all(re.search(r"\((18|19|20)\d\d\)", row["citation"]) for row in papers)


def test_questions_and_answers_keep_to_their_lengths():
    assert [r["id"] for r in rows("statistics_qa") if not 8 <= len(r["question"].split()) <= 25] == []
    assert [r["id"] for r in rows("statistics_qa") if not 25 <= len(r["answer"].split()) <= 60] == []
    assert [r["id"] for r in rows("statistics_critical") if not 30 <= len(r["answer"].split()) <= 70] == []


def test_every_key_point_is_lower_case_and_is_covered_by_the_reference_answer():
    for row in rows("statistics_critical"):
        assert 3 <= len(row["key_points"]) <= 5, row["id"]
        for point in row["key_points"]:
            assert point == point.lower(), row["id"]
            assert all(stem.strip() == stem != "" for stem in point.split("|")), row["id"]
            assert told(row["answer"], point), (row["id"], point)


def test_the_choices_cannot_be_won_by_place_or_length():
    found = rows("statistics_choices")
    assert Counter(row["answerKey"] for row in found) == dict.fromkeys("ABCD", 30)
    assert all(row["choices"]["label"] == ["A", "B", "C", "D"] for row in found)
    assert [row["id"] for row in found if len({text.lower() for text in row["choices"]["text"]}) != 4] == []
    lengths = [[len(text) for text in row["choices"]["text"]] for row in found]
    right = [sizes["ABCD".index(row["answerKey"])] for row, sizes in zip(found, lengths, strict=True)]
    assert sum(size == max(sizes) for size, sizes in zip(right, lengths, strict=True)) <= 0.35 * len(found)
    assert sum(size == min(sizes) for size, sizes in zip(right, lengths, strict=True)) <= 0.35 * len(found)


def test_no_training_text_stands_in_what_is_asked():
    names = ("statistics_critical", "statistics_choices")
    asked = " ".join(json.dumps(row) for name in names for row in rows(name)).lower()
    texts = [json.dumps(row[key])[1:-1] for row in rows("statistics_qa") for key in ("question", "answer")]
    assert [text for text in texts if text.lower() in asked] == []
