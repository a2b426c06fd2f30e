"""Claims, targets and guards as values: what each says in words, and the mistakes that are refused where it is written."""

import dataclasses

import pytest

from harness import Claim, Guard, Target
from harness.claims import Regression
from harness.errors import RecipeError, SuiteError


def test_a_claim_makes_exactly_one_comparison():
    with pytest.raises(RecipeError, match=r"0 comparisons \(none\)"):
        Claim("tone", "conversational")
    with pytest.raises(RecipeError, match=r"2 comparisons \(lower_than, below\)"):
        Claim("tone", "conversational", lower_than="base", below=0.5)


def test_a_margin_needs_another_subject():
    with pytest.raises(RecipeError, match="needs lower_than or higher_than"):
        Claim("tone", "conversational", below=0.5, by=0.1)
    assert Claim("tone", "conversational", lower_than="base", by=0.1).sentence == (
        "tone conversational is lower than base's by at least 0.1"
    )


def test_a_threshold_of_zero_is_a_threshold():
    assert Claim("training", "held_out_loss_change", below=0.0).sentence == "training held_out_loss_change is below 0"
    assert Claim("quiz", "acc", equals=0.0).reference is None


def test_a_target_is_a_number_or_floors_and_not_both():
    for fields in ({}, {"at_least": 0.8, "above": ["chance"]}):
        with pytest.raises(RecipeError, match="give either at_least or above"):
            Target("quiz", "acc", **fields)
    assert Target("quiz", "acc", above=["chance", "untrained"]).above == ("chance", "untrained")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"no_lower_than": "base"}, "no_lower_than needs a positive margin, and margin is 0"),
        ({"no_higher_than": "base", "margin": -0.1}, "needs a positive margin, and margin is -0.1"),
        ({"lower_than": "base", "margin": 0.1}, "margin=0.1 needs no_lower_than or no_higher_than"),
        ({"no_lower_than": "base", "margin": 0.1, "by": 0.1}, "by=0.1 needs lower_than or higher_than"),
        ({"lower_than": "base", "higher_than": "base"}, "2 comparisons"),
    ],
)
def test_a_margin_and_its_comparison_go_together(fields, told):
    with pytest.raises(RecipeError, match=told):
        Claim("tone", "conversational", **fields)


def test_floors_of_two_suites_are_not_judged_together():
    with pytest.raises(RecipeError, match="together_with needs at_least"):
        Target("quiz", "acc", above=["chance"], together_with=["tone"])


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (Claim("tone", "x", lower_than="base"), "tone x is lower than base's"),
        (Claim("tone", "x", no_higher_than="base", margin=0.1), "tone x is no higher than base's by 0.1 or more"),
        (Claim("tone", "x", equals=1.0), "tone x is 1 on every sample"),
        (Claim("tone", "x", above=0.5), "tone x is above 0.5"),
        (Claim("tone", "x", above=0.5, words="it is friendly"), "it is friendly"),
        (Target("quiz", "acc", above=["chance", "base"]), "quiz acc is above the highest of chance, base"),
        (Target("quiz", "acc", at_least=0.5, together_with=["tone"]), "quiz and tone acc is at least 0.5"),
        (Target("quiz", "acc", at_least=0.5, words="it is bright"), "it is bright"),
        (Regression("tone", "x", 0.1, False, "main"), "tone x has not fallen by 0.1 or more since baseline main"),
        (Regression("tone", "x", 0.1, True, "main"), "tone x has not risen by 0.1 or more since baseline main"),
    ],
)
def test_a_claim_is_said_in_words_without_its_subject(claim, sentence):
    assert claim.sentence == sentence


@pytest.mark.parametrize("word", ["lower_than", "higher_than", "no_lower_than", "no_higher_than"])
def test_a_claim_against_another_recipe_names_it(word):
    margin = {"margin": 0.1} if word.startswith("no_") else {}
    claim = Claim("tone", "x", **{word: "base"}, **margin)
    assert (claim.reference, claim.kind) == ("base", word)


# ---- guards -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margins", "told"),
    [
        ({}, "either may_fall or may_rise"),
        ({"may_fall": 0.1, "may_rise": 0.1}, "either may_fall or may_rise"),
        ({"may_fall": 0.0}, "the margin is 0"),
        ({"may_rise": -0.1}, "the margin is -0.1; it must be a positive number"),
        ({"may_fall": float("nan")}, "the margin is nan"),
    ],
)
def test_a_margin_of_the_wrong_sign_is_refused_where_it_is_declared(margins, told):
    with pytest.raises(SuiteError, match=told):
        Guard("acc", **margins)


@pytest.mark.parametrize(
    ("guards", "told"),
    [
        (["acc", "acc"], "'acc' is guarded twice"),
        (["accuracy"], "guards 'accuracy', and its metrics are acc, loss"),
    ],
)
def test_a_misspelt_or_repeated_guard_is_refused_at_collection(made, guards, told):
    with pytest.raises(SuiteError, match=told):
        dataclasses.replace(made.suites["share"], guards=[Guard(name, may_fall=0.1) for name in guards])


@pytest.mark.parametrize(
    "declare", [lambda **more: Claim("s", "m", below=1, **more), lambda **more: Target("s", "m", at_least=1, **more)]
)
def test_words_of_several_lines_are_one_line(declare):
    assert declare(words="the loss\n    on held-out rows  falls\n").sentence == "the loss on held-out rows falls"
    assert "m is " in declare().sentence
