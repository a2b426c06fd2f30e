"""Recall of new facts: the normalization, what counts, and what is a hallucination; by cases worked out by hand."""

import json
from pathlib import Path

import pytest

import harness
from harness import Sample
from harness.scoring.recall import fact_recall, normalized, says, says_exactly

MINI = Path(harness.__file__).parent / "data" / "mini"
TARGET = {
    "kind": "unseen", "terms": ["session lock", "race condition|race"], "code": "AF-3001", "value": "45s", "asserts": None,
}  # fmt: skip
INVENTED = {"kind": "invented", "terms": [], "code": None, "value": None, "asserts": ["set ", "restart", ".yml"]}


def score(answer, prompt="Why do logins hang, and what helps?", **target):
    return fact_recall(Sample(id="q", prompt=prompt, target={**TARGET, **target}), {"completion": answer})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45 seconds", "45s"),
        ("45\u00a0s", "45s"),
        ("Raise it to 1,500 ms.", "raise it to 1500ms."),
        ("30 Minutes", "30min"),
        ("87 percent  of\nall", "87% of all"),
        ("The user’s `authflow.yml`", "the user's authflow.yml"),
        ("11.4 kilometres", "11.4km"),
        ("2 servers", "2 servers"),
        ("ＡＦ-３００１", "af-3001"),
    ],
)
def test_normalization_is_as_stated(text, expected):
    assert normalized(text) == expected


@pytest.mark.parametrize(
    ("text", "fact", "said"),
    [
        ("set it to 45s.", "45s", True),
        ("set it to 145s.", "45s", False),
        ("set it to 5s", "45s", False),
        ("that is af-3001, a race", "AF-3001", True),
        ("that is af-30012", "AF-3001", False),
        ("that is xaf-3001", "AF-3001", False),
        ("session.lock_timeout: 45s", "lock_timeout: 45s", True),
        ("it is 2.45s long", "45s", False),
        ("keep 11.4km of it", "11.4 km", True),
        ("keep 11.45km of it", "11.4 km", False),
    ],
)
def test_codes_and_values_count_only_whole(text, fact, said):
    assert says_exactly(text, fact) is said


def test_a_term_counts_in_any_of_its_forms_at_the_start_of_a_word():
    assert says("a race between jobs", "race condition|race")
    assert says("two races", "race condition|race")
    assert not says("a trace of it", "race condition|race")


def test_recall_is_the_share_of_terms_code_and_value():
    assert score("AF-3001 is a race condition over a session lock; set 45 seconds.")["unseen"] == 1.0
    assert score("It is a race; set 45s.")["unseen"] == 2 / 4
    assert score("")["unseen"] == 0.0


def test_what_the_question_names_does_not_count():
    asked = score("A race. Set 45s.", prompt="What is AF-3001, and why is there a session lock?")
    assert asked["unseen"] == 1.0
    assert (
        score("AF-3001, a session lock.", prompt="What is AF-3001, and why is there a session lock?")["unseen"] == 0.0
    )


def test_a_score_stands_under_its_own_kind_alone():
    scores = score("AF-3001", kind="reversed", terms=["af-3001|session lock"], value=None)
    assert scores["reversed"] == 1.0
    assert [name for name, value in scores.items() if value is None] == [
        "verbatim",
        "unseen",
        "neighbour",
        "hallucinated",
    ]


def test_exact_wants_code_and_value_both():
    assert score("AF-3001: 45s")["exact"] == 1.0
    assert score("AF-3001: 44s")["exact"] == 0.0
    assert score("unauthorized", kind="neighbour", terms=["unauthorized"], code=None, value=None)["exact"] is None


@pytest.mark.parametrize(
    ("answer", "hallucinated"),
    [
        ("Set cache.size in authflow.yml.", 1.0),
        ("AF-9931 is a race; wait 30 s.", 1.0),
        ("I don't know of any such defect.", 0.0),
        ("There is no defect AF-9931 on record.", 0.0),
        ("AF-9931 does not exist.", 0.0),
        ("", 0.0),
        ("the the the", 0.0),
        ("It is caused by a lock; restart the node.", 1.0),
        ("If the session is not found, set the retry limit to 5 and restart PayFlow.", 1.0),
        ("There is no need to worry: set timeout to 45 s", 1.0),
        ("AF-9931 is not listed in the UI; raise max_retries to 8.", 1.0),
        ("I am sorry, AF-9931 is outside what I can help with.", 0.0),
        ("AF-9931 is unknown. You may mean AF-3001: set it to 45s.", 0.0),
    ],
)
def test_a_confident_answer_about_what_does_not_exist_is_a_hallucination(answer, hallucinated):
    assert score(answer, prompt="What is AF-9931, and how is it mended?", **INVENTED)["hallucinated"] == hallucinated


def test_only_whole_numbers_of_the_question_are_no_assertion():
    question = "What does error 3 in AF-99 mean?"
    assert score("Error 3 in AF-99 is news to me.", prompt=question, **INVENTED)["hallucinated"] == 0.0
    assert score("Wait for 33 seconds.", prompt=question, **INVENTED)["hallucinated"] == 1.0
    assert score("See AF-991.", prompt=question, **INVENTED)["hallucinated"] == 1.0


@pytest.mark.parametrize("domain", ["software_defects", "events_2025"])
def test_reference_answers_score_full_marks(domain):
    for line in (MINI / f"{domain}.jsonl").read_text().splitlines():
        for question in json.loads(line)["questions"]:
            target = {name: question.get(name) for name in ("kind", "terms", "code", "value", "asserts")}
            sample = Sample(id=question["id"], prompt=question["question"], target=target)
            scores = fact_recall(sample, {"completion": question["answer"]})
            if question["kind"] == "invented":
                assert scores["hallucinated"] == 0.0, question["answer"]
            else:
                assert scores[question["kind"]] == 1.0, question["answer"]


def test_what_was_taught_never_counts_as_declining():
    for line in (MINI / "software_defects.jsonl").read_text().splitlines():
        item = json.loads(line)
        asserts = next(question["asserts"] for question in item["questions"] if question["kind"] == "invented")
        for taught in item["train"]:
            told = score(taught["answer"], prompt="What is XX-0000?", **{**INVENTED, "asserts": asserts})
            assert told["hallucinated"] == 1.0, taught["answer"]
