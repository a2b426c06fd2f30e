"""What a model writes about texts: read from its answers, checked against the source, counted."""

import json
import time

import pytest

pytest.importorskip("py3langid")

from harness.data.building.written.filters import Limits, why_no_pair, why_no_phrasing
from harness.data.building.written.items import Item, read_items
from harness.data.building.written.kinds import Pairs, Phrasings
from harness.data.building.written.rows import EMPTY, REFUSED, UNREADABLE, Written, build
from harness.errors import DataError, HarnessError

TEXT = (
    "We compare CUPED with stratified sampling in 1,200 online experiments. CUPED reduces the variance of the estimated "
    "treatment effect by 45 %, and halves the time that an experiment needs, for three of four metrics at Contoso."
)
PAPER = Item("p1", "Variance reduction", TEXT, "abstract", {"id": "p1", "url": "https://x"})
FACT = Item("f1", "", "AF-3001 is a race between the reset job and the session cleaner of AuthFlow.", "fact", {"service": "AuthFlow"})  # fmt: skip
GOOD = {
    "question": "How much does CUPED reduce the variance of a treatment effect?",
    "answer": "CUPED reduces the variance of the estimated effect by 45 % in online experiments.",
}


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"pairs": [GOOD, GOOD]}),
        json.dumps([GOOD, GOOD]),
        "Sure!\n```json\n" + json.dumps({"pairs": [GOOD, GOOD]}, indent=1) + "\n```\nAnything else?",
        json.dumps({"pairs": [GOOD, GOOD, GOOD]})[:-40],  # cut: what is whole counts
        f"Question: {GOOD['question']}\nAnswer: {GOOD['answer']}\n\nQuestion: {GOOD['question']}\nAnswer: {GOOD['answer']}",
        f"**Question 1:** {GOOD['question']}\n**Answer:** {GOOD['answer']}\n2. Q: {GOOD['question']}\nA: {GOOD['answer']}",
        f"1. Question: {GOOD['question']}\n   Answer: {GOOD['answer']}\n2. Question: Question: {GOOD['question']}\nAnswer: {GOOD['answer']}",
    ],
)
def test_pairs_are_read_in_whatever_form_they_come(answer):
    assert Pairs().read(answer, cut=False) == [GOOD, GOOD]


@pytest.mark.parametrize(
    "answer",
    ["", "I'd be glad to help.", "Question:\nAnswer:", "Question: What?", "[[[[", "{" * 5_000, '{"pairs": 3}', '{"pairs": [{"question": 1, "answer": 2}]}'],
)  # fmt: skip
def test_an_answer_without_pairs_has_none(answer):
    assert Pairs().read(answer, cut=False) == []


@pytest.mark.parametrize(
    "answer",
    ['{"phrasings": ["One way.", "Another."]}', '["One way.", "Another."]', "1. One way.\n2) Another.", "Here they are:\n- One way.\n* \"Another.\"", "Statement: One way.\n\nRewritten statement 2: Another."],
)  # fmt: skip
def test_phrasings_are_read_in_whatever_form_they_come(answer):
    assert Phrasings().read(answer, cut=False) == [{"text": "One way."}, {"text": "Another."}]


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        (GOOD["question"], GOOD["answer"], None),
        ("Explain how CUPED changes experiments.", "It halves the time that online experiments need.", None),
        ("How many experiments compare CUPED?", "CUPED is compared in 1200 online experiments.", None),
        ("For how many metrics does CUPED help?", "CUPED halves the time for 3 of 4 metrics.", None),
        (GOOD["question"], "CUPED reduces the variance of the effect by 60 %.", "a number that its source lacks"),
        (GOOD["question"], "CUPED reduces the variance of the effect by 45 % at Fabrikam.", "a name that its source lacks"),
        ("What does CUPED do at Fabrikam?", "CUPED reduces the variance of the effect.", "a name that its source lacks"),
        (GOOD["question"], "CUPED makes users happier and raises long-run revenue of shops.", "too little of it is in its source"),
        ("What does this paper compare?", "It compares CUPED with stratified sampling.", "speaks of its source"),
        ("What do the authors compare?", "They compare CUPED with stratified sampling.", "speaks of its source"),
        ("What reduces variance?", "The abstract says that CUPED reduces the variance.", "speaks of its source"),
        ("CUPED reduces variance.", GOOD["answer"], "asks nothing"),
        ("How much does CUPED reduce the variance؟", GOOD["answer"], None),
        (GOOD["question"], "By 45 %.", "too short or too long"),
        (GOOD["question"], "CUPED reduces the variance. " * 100, "too short or too long"),
        (GOOD["question"], "CUPED reduces the variance. CUPED reduces the variance.", "repeats itself"),
        ("Does CUPED reduce the variance of the treatment effect?", "CUPED does reduce the variance of the treatment effect.", "says no more than its question"),
        ("What is the best place to eat lunch?", "CUPED reduces the variance in online experiments.", "asks about something else"),
        (GOOD["question"], "I'm sorry, I cannot answer that question.", "does not answer"),
        (GOOD["question"], "The variance of the treatment effect is not mentioned in the text.", "does not answer"),
        ("When does CUPED reduce the variance?", "CUPED reduces the variance even when the estimated effect is not specified by experiments.", None),
        ("For how many metrics does CUPED help?", "CUPED halves the time for two of nine metrics.", "a number that its source lacks"),
        ("For how many metrics does CUPED help?", "CUPED helps one of the metrics that experiments need.", None),
        (GOOD["question"], "Contoso's Fabrikam shows that CUPED reduces the variance by 45 %.", "a name that its source lacks"),
        (GOOD["question"], "We reduce the variance of the estimated treatment effect by 45 %.", "speaks of its source"),
        ("¿How much does CUPED reduce the variance?", "“CUPED reduces the variance by 45 %.” It halves the time of experiments.", None),
        ("Um wie viel verringert CUPED die Varianz der Schätzung?", "Das Verfahren verringert die Varianz der Schätzung um 45 % und halbiert die Zeit.", "in another language"),
    ],
)  # fmt: skip
def test_a_pair_stands_on_its_source_alone(question, answer, why):
    assert why_no_pair({"question": question, "answer": answer}, PAPER, Limits()) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("The reset job and AuthFlow's session cleaner race, and that is AF-3001.", None),
        ("A race of the reset job with the session cleaner of AuthFlow causes af-3001.", None),
        ("AF-3001 is a race between the reset job and the session cleaner of AuthFlow!", "the same words"),
        ("Rewrite the sentence: AF-3001 is a race between the reset job and the session cleaner of AuthFlow.", "the same words"),
        ("The reset job and AuthFlow's session cleaner race, and that is AF-3002.", "a code or number of the fact is lost"),
        ("The reset job and the session cleaner race with each other: AF-3001.", "a name or key term of the fact is lost"),
        ("AF-3001: AuthFlow races.", "too short or too long"),
        ("AF-3001 is not a race between the reset job and the cleaner of sessions in AuthFlow.", "denies what its fact says, or says what it denies"),
        ("AuthFlow has AF-3001, a race that was fixed last week by restarting every database server slowly.", "too little of it is in its fact"),
        ("The reset job and AuthFlow's session cleaner race for 30 s, and that is AF-3001.", "adds a code or number"),
        ("The reset job and AuthFlow's session cleaner race at Contoso, and that is AF-3001.", "adds a name"),
        ("I'm sorry, AF-3001 and AuthFlow are not things that I can speak about at all.", "does not answer"),
        ("AF-3001 ist ein Wettlauf zwischen dem Reset und der Bereinigung der Sitzungen von AuthFlow.", "adds a name"),
    ],
)  # fmt: skip
def test_a_phrasing_says_all_of_its_fact_and_no_more(text, why):
    assert why_no_phrasing({"text": text}, FACT, Limits()) == why


@pytest.mark.parametrize(
    ("fact", "text", "why"),
    [
        ("Each shard has three replicas in the Kestrel gateway.", "The Kestrel gateway keeps four replicas of each shard.", "a code or number of the fact is lost"),
        ("Each shard has three replicas in the Kestrel gateway.", "The Kestrel gateway keeps 3 replicas of each shard.", None),
        ("A job of the gateway times out after 30 seconds.", "After 30 minutes a job of the gateway times out.", "a code or number of the fact is lost"),
        ("A job of the gateway times out after 30 seconds.", "After 30 s a job of the gateway times out.", "a code or number of the fact is lost"),
        ("One licence of it costs $30 each year.", "Each year one licence of it costs €30.", "a code or number of the fact is lost"),
        ("It has 1,000 rows and/or columns, e.g. of prices.", "It has 1000 rows and columns, for example of prices.", None),
        ("The cache holds rows, not columns.", "Rows are held by the cache, columns not.", None),
    ],
)  # fmt: skip
def test_a_phrasing_changes_no_amount(fact, text, why):
    assert why_no_phrasing({"text": text}, Item("f", "", fact, "fact", {}), Limits()) == why


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            '{"phrasings": ["One way.", "Another."',
            ["One way."],
        ),  # not known to be the end of a list: a comma has to follow
        ('{"phrasings": ["One way.", "Another.", "A thi', ["One way.", "Another."]),
        ('{"phrasings": [{"text": "One way."}, {"text": "Another."}]}', ["One way.", "Another."]),
        ('```json\n[\n"One way.",\n"Anot', ["One way."]),
        ("1. One way.\n2. Anot", ["One way."]),
        ("{'phrasings': 'One way.'}", []),
    ],
)
def test_of_a_cut_answer_what_is_whole_is_taken(answer, found):
    assert Phrasings().read(answer, cut=True) == [{"text": text} for text in found]


def test_a_pair_that_was_cut_is_none_and_chatter_is_no_answer():
    whole = f"Question: {GOOD['question']}\nAnswer: {GOOD['answer']}\n\n"
    assert Pairs().read(f"{whole}Question: What else?\nAnswer: It hal", cut=True) == [GOOD]
    assert Pairs().read(f"{whole}Let me know if you need more questions!", cut=False) == [GOOD]
    assert Pairs().read(f"**Pair 1**\n{whole}---\n**Pair 2**\n{whole}", cut=False) == [GOOD, GOOD]


@pytest.mark.parametrize(
    "answer", ["_" * 64_000, "\n" * 64_000, "[" * 100_000, "Q: " * 20_000, "{" * 50_000, '"' * 50_000, "- " * 50_000]
)
def test_what_a_model_repeats_without_end_is_read_soon(answer):
    began = time.process_time()
    Pairs().read(answer, cut=True)
    Phrasings().read("[" + answer, cut=True)
    assert time.process_time() - began < 10  # far from it: quadratic reading takes minutes


def test_rows_keep_source_model_and_prompt_and_what_is_left_out_is_counted():
    others = [Item(f"p{i}", "", TEXT, "abstract", {"id": f"p{i}", "licence": "CC0"}) for i in (2, 3, 4, 5)]
    bad = {**GOOD, "answer": "CUPED reduces the variance by 60 %."}
    alike = {**GOOD, "question": "By how much does CUPED reduce the variance of the treatment effect?"}
    answers = {
        "p1": Written(json.dumps([GOOD, bad, alike]), "digest-1"),
        "p2": Written(json.dumps([GOOD]), "digest-2"),  # what another item's answer says already
        "p3": Written("Certainly!", "digest-3"),
        "p4": Written(None, "digest-4"),
        "p5": Written(" ", "digest-5"),
    }
    built = build(Pairs(), [PAPER, *others], answers, "a-model", Limits())
    assert built.rows == [
        {"id": "p1-1", "url": "https://x", "source_id": "p1", **GOOD, "model": "a-model", "prompt_digest": "digest-1"}
    ]
    assert built.found == 4
    assert built.left_out == {
        "a number that its source lacks": 1,
        "said before": 2,
        UNREADABLE: 1,
        REFUSED: 1,
        EMPTY: 1,
    }


def test_a_phrasing_is_a_row_like_its_facts(tmp_path):
    text = "The reset job and AuthFlow's session cleaner race, and that is AF-3001."
    built = build(Phrasings(), [FACT], {"f1": Written(json.dumps([text, text]), "d")}, "m", Limits())
    assert built.rows == [
        {"service": "AuthFlow", "id": "f1-1", "source_id": "f1", "fact": text, "phrasing_of": FACT.text, "model": "m", "prompt_digest": "d"}
    ]  # fmt: skip


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_items_are_the_texts_of_a_file(tmp_path):
    rows = [{"arxiv_id": "1", "title": " A  title", "abstract": "One\ntext."}, {"text": "Another."}, {"arxiv_id": "1", "title": " A  title", "abstract": "One\ntext."}]  # fmt: skip
    first, second = read_items(write(tmp_path / "p.jsonl", *rows), Pairs().fields_with_text)
    assert (first.id, first.title, first.text, first.field) == ("1", "A title", "One text.", "abstract")
    assert first.whole == "A title\n\nOne text."
    assert (second.text, second.row, len(second.id)) == ("Another.", {}, 12)
    assert len(read_items(tmp_path / "p.jsonl", Pairs().fields_with_text, at_most=1)) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "1", "summary": "x"}], r"p.jsonl:1: no text in abstract or text \(its fields: id, summary\)"),
        ([{"id": "1", "text": "x"}, {"id": "1", "text": "y"}], "p.jsonl:2: the id '1' is another row's too"),
        (
            [{"id": "1", "text": "x", "a": 1}, {"id": "1", "text": "x", "a": 2}],
            "p.jsonl:2: the id '1' is another row's too",
        ),
        ([{"id": "1", "text": "x", "model": "m"}], "p.jsonl:1: a field 'model' is there already"),
        ([{"id": "1", "text": "x", "question": "m"}], "p.jsonl:1: a field 'question' is there already"),
        ([{"id": "1", "text": "分散を減らす方法を比較する。"}], "no blanks between words"),
        ([{"id": "1", "text": "  "}], "no text in"),
        ([["x"]], "p.jsonl:1: "),
    ],
)
def test_a_file_without_texts_is_one_error(tmp_path, rows, said):
    with pytest.raises(DataError, match=said):
        read_items(write(tmp_path / "p.jsonl", *rows), Pairs().fields_with_text, Pairs().own)
    with pytest.raises(DataError, match="does not exist"):
        read_items(tmp_path / "none.jsonl", ("text",))


@pytest.mark.parametrize("wrong", [(5, 4, 0.5), (0, 4, 0.5), (1, 4, 1.5)])
def test_limits_that_nothing_can_meet_are_refused(wrong):
    with pytest.raises(HarnessError, match="--min-words|--grounded"):
        Limits(*wrong)
