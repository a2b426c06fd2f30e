"""Verdicts on evaluations written by hand: pass, fail, inconclusive, skipped, and Holm over a recipe's claims."""

import dataclasses

import pytest

from harness import Claim, Target
from harness.errors import StoreError, SuiteError
from harness.gates.evidence import Evidence
from harness.gates.judge import command, outcome, samples_needed
from harness.jobs.events import MeasuringFailed
from harness.session.options import Options
from harness.session.run import Run
from harness.session.setup import Setup
from tests.gates.alpha_and_beta import LOWER, STAGES, against_reference, over_seeds, quiz
from tests.hand_made import add, judged, measure


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ({"lower_than": "beta"}, "pass"),
        ({"higher_than": "beta"}, "fail"),
        ({"lower_than": "beta", "by": 0.25}, "pass"),
        ({"lower_than": "beta", "by": 0.29}, "inconclusive"),
        ({"lower_than": "beta", "by": 0.35}, "fail"),
    ],
)
def test_a_paired_difference_is_judged_by_its_interval(made, claim, outcome):
    found = against_reference(made, LOWER, **claim)
    assert found.verdict == outcome
    assert found.estimate == pytest.approx(-0.3)
    assert (found.low, found.high) == (pytest.approx(-0.338, abs=5e-4), pytest.approx(-0.262, abs=5e-4))
    assert found.n == 30


def test_the_other_direction_passes_the_other_way_round(made):
    assert against_reference(made, [-d for d in LOWER], higher_than="beta", by=0.25).passed


@pytest.mark.parametrize(  # Clopper-Pearson at 95 %: [0.893, 0.9995], [0.782, 0.967], [0.452, 0.736]
    ("right", "outcome"), [(49, "pass"), (45, "inconclusive"), (30, "fail")]
)
def test_a_target_is_reached_only_when_the_whole_interval_lies_above_it(made, right, outcome):
    alpha = add(made, "alpha", targets=[Target("tone", "acc", at_least=0.8)])
    measure(made, alpha, acc=[1.0] * right + [0.0] * (50 - right))
    found = judged(made, alpha)
    assert found.verdict == outcome
    assert found.candidate == right / 50
    assert found.baseline == 0.8


@pytest.mark.parametrize(
    ("claim", "outcome"), [({"below": 0.9}, "pass"), ({"below": 0.4}, "fail"), ({"above": 0.4}, "pass")]
)
def test_a_number_is_judged_from_both_sides(made, claim, outcome):
    alpha = add(made, "alpha", [Claim("tone", "acc", **claim)])
    measure(made, alpha, acc=[1.0] * 30 + [0.0] * 20)  # [0.452, 0.736]
    assert judged(made, alpha).verdict == outcome


def test_equality_holds_on_every_sample_or_fails_and_names_the_first(made):
    alpha = add(made, "alpha", [Claim("tone", "finite", equals=1.0)])
    measure(made, alpha, finite=[1.0] * 40)
    assert judged(made, alpha).passed
    beta = add(made, "beta", [Claim("tone", "finite", equals=1.0)])
    measure(made, beta, finite=[1.0] * 38 + [0.0, 1.0])
    found = judged(made, beta)
    assert found.verdict == "fail"
    assert "held on 39 of 40 samples" in found.message
    assert "Loudest samples: s38 (0)." in found.message


def test_of_equality_no_interval_speaks(made):
    alpha = add(made, "alpha", [Claim("tone", "finite", equals=1.0)])
    measure(made, alpha, finite=[1.0] * 38 + [0.0, 1.0])
    found = judged(made, alpha)
    assert (found.low, found.high, found.level, found.family, found.p_value) == (None, None, None, None, None)


def test_a_target_counts_only_against_the_highest_floor_it_names(made):
    every = Target("quiz", "acc", above=["chance", "longest_answer", "first_answer", "untrained"])
    # longest answer: 40 right, and on the other 20 the four choices are equally long: (40 + 20/4) / 60 = 0.75
    found = quiz(made, [every], right=45)
    assert found.verdict == "inconclusive"
    assert found.baseline == pytest.approx(0.75)
    assert "the floor longest_answer 0.750" in found.message


def test_above_chance_alone_is_the_easier_target(made):
    found = quiz(made, [Target("quiz", "acc", above=["chance"])], right=45)
    assert found.passed
    assert found.baseline == 0.25


def test_the_untrained_model_is_compared_in_pairs(made):
    found = quiz(made, [Target("quiz", "acc", above=["first_answer", "untrained"])], right=45)
    assert found.passed
    assert found.estimate == pytest.approx(33 / 60)
    assert "McNemar" in found.method


def test_a_verdict_names_the_other_side_as_a_subject_or_a_floor(made):
    assert against_reference(made, LOWER, lower_than="beta").reference == "beta-mini"
    every = Target("quiz", "acc", above=["chance", "longest_answer", "untrained"])
    assert quiz(made, [every], right=45).reference == "longest_answer"


def test_a_verdict_says_where_its_sides_were_asked_in_other_chat_templates(made):
    alpha, beta = add(made, "alpha", [Claim("tone", "conversational", lower_than="beta")]), add(made, "beta")
    measure(
        made,
        beta,
        record={"chat_template": "own", "prompt_digest": "p"},
        conversational=[0.5 + i / 1000 for i in range(30)],
    )
    scores = [0.5 + i / 1000 + d for i, d in enumerate(LOWER)]
    measure(made, alpha, record={"chat_template": "another", "prompt_digest": "q"}, conversational=scores)
    assert "not asked the same tokens: their chat templates differ. It is lower" in judged(made, alpha).message


def test_a_misspelt_floor_is_told_with_those_there_are(made):
    with pytest.raises(SuiteError, match=r"no floor 'longest' \(it has: chance, longest_answer, first_answer\)"):
        quiz(made, [Target("quiz", "acc", above=["longest"])], right=45)


@pytest.mark.parametrize(
    ("margin", "outcome"), [(0.4, "pass"), (0.3, "inconclusive"), (0.2, "fail")]
)  # the difference is -0.3, give or take 0.038
def test_no_lower_by_a_margin_is_non_inferiority(made, margin, outcome):
    found = against_reference(made, LOWER, no_lower_than="beta", margin=margin)
    assert found.verdict == outcome
    if outcome == "pass":
        assert f"It is not lower by {margin:g} or more: the claim holds." in found.message
    if outcome == "fail":
        assert f"It is lower by {margin:g} or more: the claim fails." in found.message


@pytest.mark.parametrize(("margin", "outcome"), [(0.4, "pass"), (0.2, "fail")])
def test_no_higher_by_a_margin_is_the_same_from_the_other_side(made, margin, outcome):
    found = against_reference(made, [-d for d in LOWER], no_higher_than="beta", margin=margin)
    assert found.verdict == outcome


# ---- how many samples would decide ---------------------------------------------------------------------


def test_too_little_evidence_says_how_many_samples_would_decide(made):
    # differences 0.05 +- 0.45: s = 0.45 sqrt(30/29) = 0.45769, half width 2.0452 s / sqrt(30) = 0.1709
    # spread = 0.1709 / 1.96 * sqrt(30) = 0.4776; with t of 718 degrees of freedom, at 97.5 and 80 %:
    # ((1.9633 + 0.8421) * 0.4776 / 0.05)^2 = 718.1
    found = against_reference(made, [0.5, -0.4] * 15, lower_than="beta")
    assert found.verdict == "inconclusive"
    assert not found.passed
    assert found.samples_needed == 719
    assert "about 719 samples would decide" in found.message


def test_no_difference_at_all_is_decided_by_no_number_of_samples(made):
    found = against_reference(made, [0.1, -0.1] * 10, lower_than="beta")
    assert (found.verdict, found.samples_needed) == ("inconclusive", None)
    assert "no feasible number of samples" in found.message


def difference(estimate, half, n=100, **more):
    """Evidence of a claim to be lower, with an interval that reaches `half` to either side."""
    fields = {"p_value": 0.5, "method": "by hand", "against": "beta's", "loudest": (), "wanted": "below", **more}
    return Evidence(0.5, 0.5, estimate, estimate - half, estimate + half, n=n, **fields)


def test_the_number_of_samples_grows_with_the_square_of_spread_over_effect():
    one = samples_needed(difference(0.1, 0.3), alpha=0.05)
    assert samples_needed(difference(0.05, 0.3), alpha=0.05) == pytest.approx(4 * one, rel=0.01)
    assert samples_needed(difference(0.1, 0.6), alpha=0.05) == pytest.approx(4 * one, rel=0.01)
    assert samples_needed(difference(0.1, 0.3), alpha=0.05 / 3) > one, "a claim of three has a third of the error rate"


def test_the_number_of_samples_is_counted_from_the_edge_of_the_claim():
    assert samples_needed(difference(-0.2, 0.3, margin=0.1), alpha=0.05) == samples_needed(difference(0.1, 0.3), 0.05)


def test_more_samples_than_there_were_are_needed_where_they_did_not_decide():
    assert samples_needed(difference(0.5, 0.1), alpha=0.05) == 101


def test_beyond_a_million_samples_and_over_several_seeds_no_number_is_given():
    assert samples_needed(difference(1e-4, 0.1), alpha=0.05) is None
    assert samples_needed(difference(0.05, 0.3, seeds=3), alpha=0.05) is None
    assert samples_needed(difference(0.05, 0.0), alpha=0.05) is None, "of no spread nothing follows"


def test_the_number_of_samples_is_remembered(made):
    against_reference(made, [0.5, -0.4] * 15, lower_than="beta")
    [(key, needed)] = [one for one in made.store.digests.known.items() if one[0].startswith("samples_needed:")]
    assert needed == 719
    made.store.digests.learn(key, 720)
    assert judged(made, made.recipes["alpha"]["mini"]).samples_needed == 720


# ---- the rule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (-0.2, -0.1, "below", "pass"),
        (-0.2, 0.1, "below", "inconclusive"),
        (0.1, 0.2, "below", "fail"),
        (0.1, 0.2, "above", "pass"),
        (-0.2, -0.1, "above", "fail"),
        (-0.1, 0.0, "below", "inconclusive"),  # the threshold itself is not below it
        (0.0, 0.1, "above", "inconclusive"),
    ],
)
def test_an_interval_wholly_on_one_side_decides(low, high, wanted, expected):
    found = dataclasses.replace(difference((low + high) / 2, (high - low) / 2, wanted=wanted), low=low, high=high)
    assert outcome(found, 0.01, "claim") == expected


def test_a_claim_needs_its_adjusted_p_and_a_regression_its_own():
    found = difference(-0.2, 0.1, p_value=0.04)
    assert outcome(found, 0.06, "claim") == "inconclusive"
    assert outcome(found, 0.06, "regression") == "pass"
    assert outcome(dataclasses.replace(found, p_value=0.06), 0.01, "regression") == "inconclusive"
    worse = difference(0.2, 0.1, p_value=0.96)
    assert outcome(worse, 0.06, "regression") == "inconclusive", "a failure is adjusted"
    assert outcome(worse, 0.04, "regression") == "fail"


# ---- Holm ---------------------------------------------------------------------------------------------


def three_claims(made, *, third):
    """alpha against beta on ten samples: x differs on all (p = 2/2^10), y on six (p = 2/2^6), tone z as `third` says."""
    claims = [Claim("tone", "x", lower_than="beta"), Claim("tone", "y", lower_than="beta"), third]
    alpha, beta = add(made, "alpha", claims), add(made, "beta")
    measure(made, beta, x=[0.9] * 10, y=[0.9] * 10)
    measure(made, alpha, x=[0.1, 0.2] * 5, y=[0.1] * 6 + [0.9] * 4)
    return [judged(made, alpha, i) for i in range(3)]


def test_a_pass_survives_holm_over_all_claims_of_the_recipe(made):
    x, y, _ = three_claims(made, third=Claim("tone", "x", equals=1.0))  # equality is no test and not in the family
    assert (x.p_value, y.p_value) == (2 / 1024, 2 / 64)
    assert (x.p_adjusted, y.p_adjusted) == (2 * 2 / 1024, 2 / 64)
    assert (x.verdict, y.verdict) == ("pass", "pass")


def test_a_claim_not_judged_yet_counts_as_failed(made):
    x, y, quiz = three_claims(made, third=Claim("quiz", "acc", above=0.5))
    assert quiz.verdict == "skipped"
    assert (x.p_adjusted, y.p_adjusted) == (3 * 2 / 1024, 2 * 2 / 64)
    assert y.high < 0, "alone it would pass"
    assert (x.verdict, y.verdict) == ("pass", "inconclusive")
    assert "0.062 after Holm over 3 claims" in y.message


def test_a_claim_whose_suite_failed_does_not_take_the_others_with_it(made):
    x, *_ = three_claims(made, third=Claim("quiz", "acc", above=0.5))
    alpha = made.recipes["alpha"]["mini"]
    run = Run(Setup(made.project, made.store, Options("mini", train=False), made.keys))
    key = run.results.planned(made.project.suite("quiz"), alpha).key
    run.log.add(MeasuringFailed(key, StoreError("the disk is full")))
    gates = made.gates.of(alpha)
    with pytest.raises(StoreError, match="the disk is full"):
        run.verdict(gates[2])
    assert run.verdict(gates[0]) == x


def test_a_claim_that_cannot_be_judged_does_not_take_the_others_with_it(made):
    x, y, _ = three_claims(made, third=Claim("quiz", "acc", above=0.5))
    claims = made.recipes["alpha"].claims[:2]
    alpha = add(made, "alpha", [*claims, Claim("tone", "misspelt", below=0.5)])
    with pytest.raises(SuiteError, match="no metric 'misspelt'"):
        judged(made, alpha, 2)
    assert (judged(made, alpha, 0), judged(made, alpha, 1)) == (x, y)


def test_a_fail_survives_holm_as_well(made):
    claims = [Claim("tone", "x", higher_than="beta"), Claim("tone", "y", below=0.5), Claim("tone", "z", below=0.5)]
    alpha, beta = add(made, "alpha", claims), add(made, "beta")
    measure(made, beta, x=[0.9] * 10, y=[0.9] * 10, z=[0.9] * 10)
    measure(made, alpha, x=[0.1] * 6 + [0.9] * 4, y=[0.4, 0.6] * 5, z=[0.4, 0.6] * 5)
    found = judged(made, alpha)
    assert found.high < 0, "the interval lies wholly on the other side"
    assert (found.p_value, found.p_adjusted) == (2 / 64, 3 * 2 / 64)
    assert found.verdict == "inconclusive"


# ---- what is missing ----------------------------------------------------------------------------------


def test_an_unmeasured_side_is_skipped_with_the_command_that_adds_it(made):
    alpha = add(made, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    beta = add(made, "beta")
    found = judged(made, alpha)
    assert found.verdict == "skipped"
    assert found.message == "alpha-mini is not measured by tone; add it: pytest suites/ -k alpha --scale mini"
    measure(made, alpha, conversational=[0.1, 0.2])
    told = 'beta-mini is not measured by tone; add it: pytest suites/ -k "alpha or beta" --scale mini'
    assert judged(made, alpha).message == told
    measure(made, beta, conversational=[0.3, 0.5])
    assert judged(made, alpha).verdict != "skipped"


def test_the_command_names_each_recipe_once_and_the_seeds(made):
    alpha, beta = add(made, "alpha"), add(made, "beta")
    assert command(alpha, alpha.with_seed(1)) == "pytest suites/ -k alpha --scale mini"
    assert command(alpha, beta, seeds=3) == 'pytest suites/ -k "alpha or beta" --scale mini --seeds 3'


def test_a_reference_without_this_variant_is_told(made):
    alpha = add(made, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    add(made, "beta", variant="tiny")
    measure(made, alpha, conversational=[0.1, 0.2])
    assert judged(made, alpha).message == "beta has no variant 'mini' to compare alpha-mini with"


def test_sides_that_answered_other_samples_are_not_compared(made):
    alpha = add(made, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    measure(made, alpha, conversational=[0.1, 0.2, 0.3])
    measure(made, add(made, "beta"), conversational=[0.1, 0.2])
    with pytest.raises(SuiteError, match=r"1 are missing in the baseline, 0 in the candidate \(s02\)"):
        judged(made, alpha)


def test_a_misspelt_metric_is_told_with_those_there_are(made):
    alpha = add(made, "alpha", [Claim("tone", "convresational", below=0.5)])
    measure(made, alpha, conversational=[0.1, 0.2], words=[3.0, 4.0])
    with pytest.raises(SuiteError, match=r"no metric 'convresational' \(it has: conversational, words\)"):
        judged(made, alpha)


def test_a_verdict_is_remembered_until_its_claim_changes(made):
    first = against_reference(made, LOWER, lower_than="beta")
    folder = made.store.root / "verdicts"
    assert judged(made, made.recipes["alpha"]["mini"]) == first
    assert len(list(folder.iterdir())) == 1
    stricter = add(made, "alpha", [Claim("tone", "conversational", lower_than="beta", by=0.35)])
    assert judged(made, stricter).verdict == "fail"
    assert len(list(folder.iterdir())) == 2


# ---- seeds --------------------------------------------------------------------------------------------


def test_several_seeds_are_judged_as_one_with_the_noise_of_training(made):
    found = over_seeds(made, [-0.20, -0.22, -0.18])
    assert found.passed
    assert found.estimate == pytest.approx(-0.2, abs=0.005)
    assert "over 3 training seeds" in found.message
    assert "t over 3 training seeds x 40 samples" in found.method


def test_trainings_that_disagree_decide_nothing_however_sure_each_is_alone(made):
    found = over_seeds(made, [-0.3, 0.1, -0.1])
    assert found.verdict == "inconclusive"
    assert "more of them, or more samples, would decide" in found.message
    assert found.low < -0.4


def test_a_seed_that_is_missing_is_named(made):
    found = over_seeds(made, [-0.2, -0.2], seeds=3)
    assert found.verdict == "skipped"
    assert "alpha-mini-seed2 is not measured by tone" in found.message


def test_ties_under_every_seed_prove_nothing_of_right_answers(made):
    made.with_seeds(2)
    alpha = add(made, "alpha", [Claim("share", "acc", no_lower_than="beta", margin=0.01)], stages=STAGES)
    beta = add(made, "beta", stages=STAGES)
    for seed in (0, 1):
        for subject in (alpha, beta):
            measure(made, subject.with_seed(seed), "share", acc=[1.0, 0.0] * 5, loss=[1.0, 2.0] * 5)
    found = judged(made, alpha)
    assert found.verdict == "inconclusive"
    assert found.low < -0.2


# ---- few samples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_answers_are_inconclusive(made, n):
    alpha = add(made, "alpha", [Claim("tone", "x", higher_than="beta")])
    measure(made, add(made, "beta"), x=[0.0] * n)
    measure(made, alpha, x=[1.0] * n)
    assert judged(made, alpha).verdict == "inconclusive"


def test_scores_of_two_samples_that_are_equal_prove_nothing(made):
    alpha = add(made, "alpha", [Claim("share", "loss", no_higher_than="beta", margin=0.1)])
    measure(made, add(made, "beta"), "share", acc=[1.0, 0.0], loss=[0.3, 0.3])
    measure(made, alpha, "share", acc=[1.0, 0.0], loss=[0.3, 0.3])
    assert judged(made, alpha).verdict == "inconclusive"


# ---- what will be missing ---------------------------------------------------------------------------------


def test_what_a_claim_will_lack_is_known_before_anything_is_measured(made):
    alpha, beta = add(made, "alpha", [Claim("tone", "x", lower_than="beta")]), add(made, "beta")
    [gate] = made.gates.of_all([alpha])
    keys = {name: made.results.planned(made.project.suite("tone"), s).key for name, s in (("a", alpha), ("b", beta))}
    assert str(made.judge.missing(gate, ())).startswith("alpha-mini is not measured by tone; add it: pytest suites/")
    assert str(made.judge.missing(gate, {keys["a"]})).startswith("beta-mini is not measured by tone; add it: pytest")
    assert made.judge.missing(gate, set(keys.values())) is None
    measure(made, beta, x=[0.5] * 4)
    assert made.judge.missing(gate, {keys["a"]}) is None


def test_another_side_that_there_is_not_will_always_be_missing(made):
    alpha = add(made, "alpha", [Claim("tone", "x", lower_than="beta")], variant="large")
    add(made, "beta")
    [gate] = made.gates.of_all([alpha])
    own = made.results.planned(made.project.suite("tone"), alpha).key
    assert str(made.judge.missing(gate, {own})) == "beta has no variant 'large' to compare alpha-large with"
