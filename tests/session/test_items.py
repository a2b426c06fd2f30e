"""The evaluation items that training rows must not contain, by suite."""

import pytest

from harness.errors import HarnessError
from harness.session.items import items_of_suites
from tests.projects import write_project

pytestmark = pytest.mark.usefixtures("projects_apart")

SUITES = """
from harness import Dataset, Embedded, Files, Sample, Suite

QUIZ = Suite(
    name="four",
    dataset=Dataset(name="q", mini=Embedded("quiz")),
    to_sample=lambda row: Sample(id=row["id"], prompt=row["question_stem"], choices=row["choices"]["text"], target=2),
    scorer=lambda sample, output: {"x": 0.0},
)
ABSENT = Suite(
    name="absent",
    dataset=Dataset(name="f", mini=Files("no/such.jsonl")),
    to_sample=lambda row: Sample(id=row["id"]),
    scorer=lambda sample, output: {"x": 0.0},
)
"""


def test_items_are_questions_with_their_answers_and_absent_data_is_named(tmp_path):
    root = write_project(tmp_path)
    (root / "suites" / "test_items_here.py").write_text(SUITES)
    items, absent = items_of_suites(root, "mini", None)
    assert set(items) == {"look", "four"}
    assert set(absent) == {"absent"}
    question = "A houseplant on a windowsill slowly bends, most likely because it is reaching for the sun"
    assert items["four"].texts["quiz-001"] == items["four"].wholes["quiz-001"] == question
    assert set(items["look"].wholes.values()) == {""}  # prompts without a reference answer


def test_an_unknown_scale_is_an_error(tmp_path):
    with pytest.raises(HarnessError, match="--scale large"):
        items_of_suites(write_project(tmp_path), "large", None)
