"""Ship or not: verdicts under the questions that a team asks, and what they come to."""

from dataclasses import replace

import pytest

from harness import Claim, Dataset, Embedded, Mean, Sample, Suite, Target
from harness.claims import QUESTIONS
from harness.errors import SuiteError
from harness.gates.gate import gates_of
from harness.gates.ship import decision, line_of
from harness.gates.verdict import Verdict

PROMPTS = Dataset(name="prompts", mini=Embedded("tone_prompts"))


def suite(name, shows):
    return Suite(
        name=name, dataset=PROMPTS, to_sample=lambda row: Sample(id=row["id"]), scorer=lambda sample, output: {}, shows=shows
    )  # fmt: skip


SUITES = {
    one.name: one
    for one in (
        suite("recall", {"unseen": "learnt", "neighbour": "kept", "invented": "invented"}),
        suite("retention", "kept"),
        suite("tone", "learnt"),
    )
}


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        (Claim("recall", "unseen", higher_than="base", by=0.5), "learnt"),
        (Claim("recall", "unseen", above=0.5), "learnt"),
        (Claim("recall", "unseen", no_lower_than="retrieval", margin=0.1), "better"),
        (Claim("recall", "other", higher_than="untrained"), "learnt"),
        (Claim("recall", "neighbour", no_lower_than="base", margin=0.1), "kept"),
        (Claim("recall", "neighbour", no_lower_than="retrieval", margin=0.1), "better"),
        (Claim("recall", "invented", equals=0.0), "invented"),
        (Claim("retention", "bits", lower_than="rival"), "better"),
        (Claim("retention", "bits", lower_than="untrained"), "learnt"),
        (Claim("retention", "bits", no_higher_than="base", margin=0.1), "kept"),
        (Target("tone", "acc", at_least=0.5), "learnt"),
        (Target("tone", "acc", above=["chance", "untrained"]), "better"),
        (Claim("elsewhere", "acc", above=0.5), "learnt"),
    ],
)
def test_a_claim_answers_the_question_that_its_suite_shows(made, claim, line):
    from tests.hand_made import add

    kind = {"claims": [claim]} if isinstance(claim, Claim) else {"targets": [claim]}
    [gate] = gates_of(add(made, "alpha", **kind))
    assert line_of(gate, SUITES) == line


def judged(line, verdict):
    return Verdict(f"alpha-mini-{line}", "alpha-mini", None, "tone", "x", "claim", "x is above 0", verdict, line)


@pytest.mark.parametrize(
    ("verdicts", "outlook"),
    [
        (["pass", "pass"], "ship"),
        (["pass", "fail"], "do not ship"),
        (["inconclusive", "fail"], "do not ship"),
        (["pass", "inconclusive"], "undecided"),
        (["pass", "skipped"], "undecided"),
        ([], "undecided"),
    ],
)
def test_all_claims_must_hold_and_none_may_fail(verdicts, outlook):
    assert decision("alpha-mini", [judged("learnt", one) for one in verdicts], list(SUITES.values())).outlook == outlook


def test_every_question_stands_there_with_its_worst_verdict_or_with_the_suites_that_would_answer_it():
    verdicts = [judged("learnt", "pass"), judged("learnt", "inconclusive"), judged("kept", "pass")]
    found = {line.name: line for line in decision("alpha-mini", verdicts, list(SUITES.values())).lines}
    assert list(found) == list(QUESTIONS)
    assert {name: line.state for name, line in found.items()} == {
        "learnt": "inconclusive", "better": "unclaimed", "kept": "pass", "invented": "unclaimed", "stable": "unclaimed",
        "clean": "unclaimed",
    }  # fmt: skip
    assert found["invented"].suites == ("recall",)
    assert found["kept"].suites == ("recall", "retention")
    assert found["stable"].suites == ()
    assert found["learnt"].verdicts == tuple(verdicts[:2])


def test_a_suite_that_shows_what_is_no_question_is_refused():
    with pytest.raises(SuiteError, match="suite tone: it shows 'grace', which is none of learnt, kept"):
        suite("tone", {"a": "grace"})
    with pytest.raises(SuiteError, match="shows"):
        suite("tone", 3)
    with pytest.raises(SuiteError, match="it says what 'neighbor' shows, and its metrics are neighbour"):
        replace(suite("recall", "kept"), metrics=[Mean("neighbour")], shows={"neighbor": "kept"})


def test_the_judge_says_which_question_a_verdict_answers(made):
    from tests.hand_made import add, judged, measure

    alpha = add(made, "alpha", [Claim("tone", "x", above=0.5)])
    measure(made, alpha, x=[1.0] * 30)
    assert judged(made, alpha).line == "learnt"
