"""A suite's samples as what the model worker is sent of them, and nothing more."""

import pytest

from harness import Choices, Dataset, Embedded, Generate, LmEval, LmEvalTask, Parity, Probe, Sample, Suite
from harness.evaluation.asking.questions import questions
from harness.worker.messages import Question

ROWS = [
    {"id": "a", "stem": "Which bird?", "options": ["owl", "kite"], "right": 1, "source": "quiz", "origin": "quiz:1"},
    {"id": "b", "stem": "Which tree?", "options": ["oak", "ash"], "right": 0, "source": "quiz", "origin": "quiz:2"},
]


def to_sample(row):
    return Sample(id=row["id"], prompt=row["stem"], choices=row["options"], target=row["right"], cluster=row.get("of"))


def asked(*asks, **more):
    """The samples and questions of a suite that asks so."""
    dataset = Dataset(name="quiz", mini=Embedded("quiz"))
    suite = Suite(name="quiz", dataset=dataset, to_sample=to_sample, scorer=lambda s, o: {}, asks=asks, **more)
    return questions(suite, ROWS)


def test_each_sample_is_one_question_with_its_reference():
    found = asked(Generate())
    assert [sample for sample, _ in found] == [to_sample(row) for row in ROWS]
    assert [question for _, question in found] == [
        Question(id="a", prompt="Which bird?", target="kite"),
        Question(id="b", prompt="Which tree?", target="oak"),
    ]


def test_choices_are_sent_where_they_are_asked_about():
    assert [question.choices for _, question in asked(Choices(), Generate())] == [("owl", "kite"), ("oak", "ash")]


def test_the_row_is_sent_where_lm_eval_makes_the_prompt_but_not_where_it_comes_from():
    rows = [question.row for _, question in asked(LmEval("openbookqa"))]
    assert rows[0] == {"id": "a", "stem": "Which bird?", "options": ["owl", "kite"], "right": 1}
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("ask", "copies"),
    [(Parity(forms=("bfloat16", "nf4")), ("bfloat16", "nf4")), (Probe(dtypes=("float32",)), ("float32",))],
)
def test_each_sample_is_asked_once_in_each_copy_and_its_copies_belong_together(ask, copies):
    found = asked(ask)
    assert [question.copy for _, question in found] == [*copies, *copies]
    assert [sample.id for sample, _ in found] == [f"{name}@{copy}" for name in "ab" for copy in copies]
    assert all(sample.id == question.id for sample, question in found)
    assert [sample.cluster for sample, _ in found] == [name for name in "ab" for _ in copies]


def test_copies_of_a_sample_stay_in_its_own_cluster():
    rows = [{**row, "of": "birds"} for row in ROWS]
    dataset = Dataset(name="quiz", mini=Embedded("quiz"))
    asks = [Parity(forms=("int8",))]
    suite = Suite(name="quiz", dataset=dataset, to_sample=to_sample, scorer=lambda s, o: {}, asks=asks)
    assert {sample.cluster for sample, _ in questions(suite, rows)} == {"birds"}


def test_a_task_that_brings_its_own_samples_is_sent_none():
    assert questions(Suite(name="task", scorer=lambda s, o: {}, asks=[LmEvalTask("own")]), []) == []
