"""Passages before questions: which are found, which are right, and what is refused."""

import json

import pytest

from harness import Dataset, Embedded, Files, Mix, OpenBook, Retrieve
from harness.data.reading.rows import Access
from harness.errors import DataError, RecipeError, SuiteError
from harness.evaluation.asking.passages import Passages, passage_text, read_passages
from harness.evaluation.asking.questions import questions
from harness.suite import Sample, Suite

DATA = Mix(Dataset(name="facts", mini=Embedded("software_defects")))


def row(name, text, fact="f1"):
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": f"answer to {name}"}]
    return {"id": name, "origin": f"facts.jsonl:{name}", "messages": turns, "group": name, "item": fact}


ROWS = [
    row("a", "What causes a burst valve in the mill?", "valve"),
    row("b", "Which valve bursts?", "valve"),
    row("c", "How tall is the lighthouse?", "lighthouse"),
    row("d", "How tall is the lighthouse?", "lighthouse"),
]


def found(lookup, prompt, cluster=None, rows=ROWS):
    passages = Passages(lookup, rows, "alpha-mini")
    return [(one.id, one.right) for one in passages.of(Sample(id="q", prompt=prompt, cluster=cluster))]


def test_the_best_passages_come_first_and_of_equal_ones_the_first():
    assert found(Retrieve(data=DATA, k=3, cluster="item"), "the burst valve", "valve") == [("a", True), ("b", True)]
    assert found(Retrieve(data=DATA, k=1, cluster="item"), "a tall lighthouse", "valve") == [("c", False)]
    assert found(Retrieve(data=DATA, k=2, cluster="item"), "a tall lighthouse", "lighthouse") == [
        ("c", True),
        ("d", True),
    ]


def test_nothing_is_found_for_a_question_that_shares_no_word():
    assert found(Retrieve(data=DATA, k=2, cluster="item"), "Who sang?", "valve") == []
    assert found(Retrieve(data=DATA, k=2, cluster="item"), "of the", "valve") == []  # stopwords alone
    assert found(Retrieve(data=DATA, k=2, cluster="item"), "", "valve") == []


@pytest.mark.parametrize(("cluster", "findable"), [("valve", True), ("bridge", False), (None, False)])
def test_a_question_of_which_no_passage_tells_has_no_right_one_to_find(cluster, findable):
    passages = Passages(Retrieve(data=DATA, k=1, cluster="item"), ROWS, "alpha-mini")
    sample = Sample(id="q", prompt="burst valve", cluster=cluster)
    assert passages.findable(sample) == findable
    assert [(one.id, one.right) for one in passages.of(sample)] == [("a", findable)]


def test_the_open_book_holds_all_of_the_cluster_and_nothing_else():
    assert found(OpenBook(data=DATA, cluster="item"), "Who sang?", "lighthouse") == [("c", True), ("d", True)]
    assert found(OpenBook(data=DATA, cluster="item"), "burst valve", "bridge") == []


def test_a_passage_is_what_is_said_without_the_system():
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
    ]
    assert passage_text({"messages": turns}) == "u\na"
    assert passage_text({"text": "a document"}) == "a document"


def test_a_suite_s_questions_carry_their_passages():
    suite = Suite(
        name="quiz",
        dataset=Dataset(name="q", mini=Embedded("quiz")),
        to_sample=lambda row: Sample(id=row["id"], prompt=row["q"], cluster=row["about"]),
        scorer=lambda sample, output: {"a": 1.0},
    )
    rows = [{"id": "1", "q": "burst valve", "about": "valve"}, {"id": "2", "q": "who?", "about": "valve"}]
    passages = Passages(Retrieve(data=DATA, k=1, cluster="item"), ROWS, "alpha-mini")
    [(_, first), (_, second)] = questions(suite, rows, passages=passages)
    assert [one.id for one in first.passages] == ["a"]
    assert first.prompt == "burst valve", "the passages go in front where it is asked"
    assert (second.passages, second.findable) == ((), True)
    assert [question.passages for _, question in questions(suite, rows)] == [None, None]


@pytest.mark.parametrize(
    ("lookup", "rows", "message"),
    [
        (Retrieve(data=DATA, k=5, cluster="item"), ROWS, "takes k=5 passages, and there are 4"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(lookup, rows, message):
    with pytest.raises(DataError, match=message):
        Passages(lookup, rows, "alpha-mini")


def test_an_open_book_that_has_nothing_for_any_sample_is_refused():
    samples = [Sample(id="q", prompt="?", cluster="valve"), Sample(id="r", prompt="?")]
    Passages(OpenBook(data=DATA, cluster="item"), ROWS, "alpha-mini").check("quiz", samples)
    by_chance = Passages(OpenBook(data=DATA), ROWS, "alpha-mini")
    with pytest.raises(
        SuiteError, match="no passage tells of what suite quiz asks: .* such as 'valve', and the group .* 'a'"
    ):
        by_chance.check("quiz", samples)
    Passages(Retrieve(data=DATA), ROWS, "alpha-mini").check("quiz", samples)  # what it finds may be right all the same


def test_passages_without_a_word_cannot_be_ranked():
    with pytest.raises(DataError, match="its 1 passages hold no word but English stopwords"):
        Passages(Retrieve(data=DATA, k=1), [{"id": "x", "origin": "f:1", "group": "g", "text": "of the"}], "a").of(
            Sample(id="q", prompt="word")
        )


def test_a_single_letter_is_a_word():
    rows = [row("a", "What is R?"), row("b", "What is C?")]
    assert found(Retrieve(data=DATA, k=1), "Tell me of C", rows=rows) == [("b", False)]


def test_rows_are_read_as_for_training_with_the_field_that_says_what_they_tell_of(tmp_path):
    rows = [
        {"q": "Which valve?", "a": "The inlet.", "about": "valve", "text": "a note", "messages": "none"},
        {"q": "How tall?", "a": "40 m.", "about": "lighthouse"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    data = Mix(Dataset(name="own", mini=Files("rows.jsonl", prompt="{q}", completion="{a}")))
    loaded = read_passages(Retrieve(data=data, cluster="about"), Access("mini", data_root=tmp_path), "alpha").rows
    assert {passage_text(one): one["about"] for one in loaded} == {
        "Which valve?\nThe inlet.": "valve", "How tall?\n40 m.": "lighthouse",
    }  # fmt: skip
    with pytest.raises(DataError, match="alpha: rows.jsonl:.* has no 'topic'.*\n.*It has: .*about"):
        read_passages(Retrieve(data=data, cluster="topic"), Access("mini", data_root=tmp_path), "alpha")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"q": "Which?", "a": ""}) + "\n")
    with pytest.raises(DataError, match=r"rows.jsonl:1"):
        read_passages(Retrieve(data=data), Access("mini", data_root=tmp_path), "alpha")


def test_two_files_of_one_name_keep_their_own_fields(tmp_path):
    for folder, about in (("a", "valve"), ("b", "lighthouse")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.jsonl").write_text(
            json.dumps({"q": f"A {about}?", "a": "Yes.", "about": about}) + "\n"
        )
    parts = [Dataset(name=x, mini=Files(f"{x}/train.jsonl", prompt="{q}", completion="{a}")) for x in ("a", "b")]
    loaded = read_passages(
        Retrieve(data=Mix(*parts), cluster="about"), Access("mini", data_root=tmp_path), "alpha"
    ).rows
    assert {passage_text(one): one["about"] for one in loaded} == {
        "A valve?\nYes.": "valve", "A lighthouse?\nYes.": "lighthouse",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (lambda: Retrieve(data=DATA, k=0), "k is 0"),
        (lambda: Retrieve(data=DATA, k="3"), "Retrieve: k is"),
        (lambda: Retrieve(data=DATA.parts[0]), "has to be a Mix"),
        (lambda: OpenBook(data=DATA, prompt="{question}"), "needs {passages} and {question}"),
        (lambda: OpenBook(data=DATA, prompt="{passages} {question} {name}"), "needs {passages} and {question}"),
        (lambda: OpenBook(data=DATA, prompt="{passages {question}"), "OpenBook: prompt"),
    ],
)
def test_a_lookup_that_makes_no_sense_is_refused_where_it_is_declared(declared, message):
    with pytest.raises(RecipeError, match=message):
        declared()
