"""Verdicts in words: one paragraph that says what was claimed, what was found, and what follows."""

import dataclasses

import pytest

from harness.gates.evidence import Evidence, Loud
from harness.gates.message import paragraph
from harness.gates.verdict import Verdict

EVIDENCE = Evidence(
    0.45, 0.75, -0.3, -0.338, -0.262, 0.0012, 1030, "t interval", "beta's 0.750",
    (Loud("s01", 0.101, 0.501), Loud("s03", 0.2, None), Loud("s05", None, None)), "below",
)  # fmt: skip
CLAIM = Verdict(
    "alpha-mini-tone-x",
    "alpha-mini",
    "beta-mini",
    "tone",
    "x",
    "claim",
    "tone x is lower than beta's",
    "pass",
    family=1,
)


def told(verdict="pass", kind="claim", family=1, p_adjusted=None, samples_needed=None, **evidence):
    judged = dataclasses.replace(
        CLAIM, verdict=verdict, kind=kind, family=family, p_adjusted=p_adjusted, samples_needed=samples_needed
    )
    return paragraph(judged, dataclasses.replace(EVIDENCE, **evidence))


def test_a_paragraph_is_understood_alone():
    assert told() == (
        "alpha-mini claims: tone x is lower than beta's. Its tone x is 0.450 against beta's 0.750; the difference is "
        "-0.300 (95 % interval -0.338 to -0.262, 1,030 samples, t interval, p = 0.0012). It is lower: the claim holds. "
        "Loudest samples: s01 (0.101 against 0.501), s03 (0.2), s05."
    )


@pytest.mark.parametrize(
    ("verdict", "wanted", "margin", "follows"),
    [
        ("pass", "below", 0.0, "It is lower: the claim holds."),
        ("fail", "below", 0.0, "It is not lower: the claim fails."),
        ("pass", "above", 0.25, "It is higher by at least 0.25: the claim holds."),
        ("fail", "above", 0.25, "It is not higher by at least 0.25: the claim fails."),
        ("pass", "above", -0.1, "It is not lower by 0.1 or more: the claim holds."),
        ("fail", "above", -0.1, "It is lower by 0.1 or more: the claim fails."),
        ("pass", "below", -0.1, "It is not higher by 0.1 or more: the claim holds."),
        ("fail", "below", -0.1, "It is higher by 0.1 or more: the claim fails."),
    ],
)
def test_the_conclusion_says_on_which_side_of_what_the_difference_lies(verdict, wanted, margin, follows):
    assert follows in told(verdict, wanted=wanted, margin=margin)


def test_equality_is_told_by_its_samples_without_an_interval():
    more = {
        "wanted": "equal",
        "method": "held on 39 of 40 samples",
        "p_value": None,
        "loudest": (Loud("s38", 0.0, None),),
    }
    assert told("fail", **more) == (
        "alpha-mini claims: tone x is lower than beta's. Its tone x held on 39 of 40 samples. The claim fails. "
        "Loudest samples: s38 (0)."
    )
    assert told("pass", **{**more, "loudest": ()}).endswith("samples. The claim holds.")


def test_what_cannot_be_decided_says_how_many_samples_would():
    assert (
        "That cannot be decided with 1,030 samples; about 71,700 samples would decide a difference of this size."
    ) in told("inconclusive", samples_needed=71_700)
    assert (
        "That cannot be decided with 1,030 samples; no feasible number of samples would decide a difference of this size."
    ) in told("inconclusive")


def test_several_trainings_are_named_and_asked_for():
    words = told("inconclusive", seeds=3)
    assert "is 0.450 over 3 training seeds against" in words
    assert "That cannot be decided with 3 training seeds; more of them, or more samples, would decide." in words


def test_holm_is_mentioned_where_several_claims_are_made():
    assert ", p = 0.0012, 0.0036 after Holm over 3 claims)." in told(family=3, p_adjusted=0.0036)
    assert "Holm" not in told(family=1, p_adjusted=0.0012)


def test_a_tiny_p_is_a_bound():
    assert "p < 1e-10, < 1e-10 after Holm over 2 claims" in told(family=2, p_value=1e-14, p_adjusted=2e-14)


def test_a_difference_that_was_not_tested_has_no_p():
    assert "t interval). It is lower" in told(p_value=None)


def test_a_regression_gives_the_p_of_both_questions_unless_it_passes():
    held = {"kind": "regression", "margin": -0.1, "wanted": "above", "level": 0.9, "family": 2}
    passed = told("pass", p_value=0.01, p_adjusted=1.0, **held)
    assert "90 % interval" in passed
    assert ', p = 0.01 against "worse by 0.1 or more").' in passed
    assert "no worse than that" not in passed
    failed = told("fail", p_value=0.98, p_adjusted=0.04, **held)
    assert (
        ', p = 0.98 against "worse by 0.1 or more" and = 0.02 against "no worse than that", 0.04 after Holm over 2 claims)'
    ) in failed
    assert "It is lower by 0.1 or more: a regression." in failed


def test_a_paragraph_says_where_the_two_sides_were_asked_otherwise():
    said = "The two sides were not asked the same tokens: their tokenizers and chat templates differ."
    assert said in told(asked_otherwise="tokenizers and chat templates")
    assert "not asked" not in told()


def test_a_paragraph_says_whose_completions_were_cut_and_that_only_a_part_was_asked():
    assert "Completions cut at max_new_tokens: 238 of its 260." in told(cut="238 of its 260")
    assert "Only 20 samples of a suite were asked (--limit)." in told(limit=20)
    assert "cut at" not in told()
    assert "--limit" not in told()


def test_a_paragraph_says_where_the_two_sides_were_computed_otherwise():
    said = "The two sides were not computed on the same hardware: a CPU and NVIDIA H100."
    assert said in told(computed_otherwise="a CPU and NVIDIA H100")
    assert "hardware" not in told()


def test_an_interval_that_decides_alone_and_not_after_holm_says_so_in_the_same_breath():
    words = told("inconclusive", family=3, p_adjusted=0.09, samples_needed=71_700)
    assert "The interval alone would decide, but not after Holm over 3 claims. That cannot be decided with" in words
    assert "alone would decide" not in told("inconclusive", low=-0.7, high=0.1, samples_needed=9)
