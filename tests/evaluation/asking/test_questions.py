"""A suite's samples as what the model worker is sent of them, and nothing more."""

import pytest

from harness import Choices, Dataset, Embedded, Generate, LmEval, LmEvalTask, Parity, Probe, Sample, Suite
from harness.errors import SuiteError
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


def test_with_a_limit_the_first_of_the_draw_are_asked_in_the_suites_order_and_all_copies_of_each():
    rows = [{**ROWS[0], "id": f"q{number:02}", "origin": f"quiz:{number}"} for number in range(40)]
    dataset = Dataset(name="quiz", mini=Embedded("quiz"))
    suite = Suite(name="quiz", dataset=dataset, to_sample=to_sample, scorer=lambda s, o: {}, asks=[Generate()])
    ids = [sample.id for sample, _ in questions(suite, rows, limit=10)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 10
    assert ids != [f"q{number:02}" for number in range(10)]  # the file's order may be by topic or difficulty
    assert set(ids) <= {sample.id for sample, _ in questions(suite, rows, limit=11)}
    assert len(questions(suite, rows, limit=100)) == 40
    copies = Suite(
        name="p", dataset=dataset, to_sample=to_sample, scorer=lambda s, o: {}, asks=[Parity(forms=("nf4", "int8"))]
    )
    assert [sample.id for sample, _ in questions(copies, rows, limit=2)] == [
        f"{n}@{c}" for n in ids_of(suite, rows, 2) for c in ("nf4", "int8")
    ]


def ids_of(suite, rows, limit):
    return [sample.id for sample, _ in questions(suite, rows, limit)]


TURNS = [
    {"role": "user", "content": "Name a bird."},
    {"role": "assistant", "content": "An owl."},
    {"role": "user", "content": "Another."},
]


def test_a_conversation_is_sent_as_its_turns_and_read_as_one_text():
    dataset = Dataset(name="quiz", mini=Embedded("quiz"))
    suite = Suite(
        name="talk", dataset=dataset, to_sample=lambda row: Sample(id=row["id"], messages=TURNS), scorer=lambda s, o: {}
    )
    [(sample, question), _] = questions(suite, ROWS)
    assert sample.prompt == "user: Name a bird.\n\nassistant: An owl.\n\nuser: Another."
    assert (question.prompt, question.asked) == ("", tuple(TURNS))


def test_two_system_turns_are_refused():
    turns = [{"role": "system", "content": "Be brief."}, *TURNS]
    dataset = Dataset(name="quiz", mini=Embedded("quiz"))
    suite = Suite(
        name="talk", dataset=dataset, to_sample=lambda row: Sample(id=row["id"], messages=turns), scorer=lambda s, o: {},
        system_prompt="Be long.",
    )  # fmt: skip
    with pytest.raises(
        SuiteError, match=r"quiz:1: sample a begins with a system turn, and the suite has a system_prompt"
    ):
        questions(suite, ROWS)
