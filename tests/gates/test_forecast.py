"""What each gate could detect, said before anything runs: by earlier evaluations, else for the worst case."""

import dataclasses

import pytest

from harness import Claim, Mean, Sample, Target
from harness.data.reading.rows import Access
from harness.evaluation.asking.rows import SuiteRows
from harness.store.baselines import bless, read
from tests.hand_made import add, measure

N = 260  # rows of the embedded prompts


def told(made, subject, index=0):
    return made.forecast.detectable(made.gates.of_all([subject])[index])


def test_without_a_measurement_it_is_the_worst_case_for_scores_within_bounds(made):
    alpha = add(made, "alpha", [Claim("share", "acc", above=0.5)])
    # (t(0.975) + t(0.8)) * 0.5 / sqrt(260) = (1.969 + 0.843) * 0.0310
    assert told(made, alpha) == "could detect a difference of 0.087 with 260 samples (worst case for scores in [0, 1])"
    paired = add(made, "beta", [Claim("share", "acc", higher_than="alpha")])
    assert "a difference of 0.17 with 260 samples (worst case" in told(made, paired)


def test_more_claims_need_more_evidence_each(made):
    alpha = add(made, "alpha", [Claim("share", "acc", above=0.5), Claim("share", "acc", below=0.9)])
    assert "a difference of 0.096" in told(made, alpha)


def test_scores_without_bounds_cannot_be_foretold_before_a_first_measurement(made):
    alpha = add(made, "alpha", [Claim("share", "loss", below=0.5)])
    assert told(made, alpha) == "260 samples; what they could detect is not known before a first measurement"


def test_an_earlier_evaluation_tells_the_spread(made):
    alpha = add(made, "alpha", [Claim("share", "loss", below=0.5)])
    # sd 1.0 by hand; 95 % interval of 100 samples: half width 1.984 / 10, read as 1.96 sd / sqrt(n): 1.0124
    measure(made, add(made, "older"), "share", acc=[0.0] * 100, loss=[1.0, -1.0] * 50)
    found = told(made, alpha)
    assert found.endswith("with 260 samples (by the spread of an earlier evaluation)")
    assert float(found.split()[5]) == pytest.approx((1.969 + 0.843) * 1.0124 * (100 / 99) ** 0.5 / 260**0.5, abs=0.01)


def test_both_sides_measured_before_tell_how_alike_they_are(made):
    alpha = add(made, "alpha", [Claim("share", "loss", lower_than="beta")])
    beta = add(made, "beta")
    loss = [float(i) for i in range(100)]
    measure(made, beta, "share", acc=[0.0] * 100, loss=loss)
    measure(made, alpha, "share", acc=[0.0] * 100, loss=[x + 0.1 * (i % 2) for i, x in enumerate(loss)])
    found = told(made, alpha)
    assert found.endswith("(by earlier evaluations of both sides)")
    assert float(found.split()[5]) < 0.02, "paired, a spread of 0.05 and not of 29"


def test_a_guarded_metric_says_which_margin_its_samples_allow(made):
    alpha = add(made, "alpha")
    measure(made, alpha, "share", acc=[1.0, 0.0] * 50, loss=[1.0, 2.0] * 50)
    bless(made.store, "main", made.results.measured([alpha], made.suites.values()), None)
    made.baseline = read(made.store, "main")
    found = told(made, add(made, "alpha", version="2"))
    assert found.startswith("could show that a fall stays below 0.1")
    assert "and must below 0.1 (by the spread of an earlier evaluation, both sides taken as independent)" in found


def test_a_guarded_metric_is_foretold_one_sided(made):
    alpha = add(made, "alpha")
    measure(made, alpha, "share", acc=[1.0, 0.0] * 50, loss=[1.0, 2.0] * 50)
    bless(made.store, "main", made.results.measured([alpha], made.suites.values()), None)
    made.baseline = read(made.store, "main")
    # sd 0.5025; half width 1.984 * 0.05025 = 0.0997, read as 1.96 sd / sqrt(100): 0.5087, of two sides sqrt(2) as much;
    # (t(0.95) + t(0.8)) * 0.7194 / sqrt(260) = (1.6508 + 0.8431) * 0.04461
    assert "a rise stays below 0.111 with 260 samples, and must below 0.2" in told(made, alpha, index=1)


def test_in_the_worst_case_samples_that_belong_together_count_once(made):
    share = made.project.suite("share")
    in_tens = {row["id"]: str(i // 10) for i, row in enumerate(SuiteRows(Access("mini")).rows(share))}
    clustered = lambda row: Sample(id=row["id"], prompt=row["prompt"], cluster=in_tens[row["id"]])
    made.suites["share"] = dataclasses.replace(share, to_sample=clustered)
    alpha = add(made, "alpha", [Claim("share", "acc", above=0.5)])
    # 26 that stand alone: (t(0.975) + t(0.8)) * 0.5 / sqrt(26) = (2.060 + 0.856) * 0.0981
    assert told(made, alpha) == "could detect a difference of 0.29 with 260 samples (worst case for scores in [0, 1])"


def test_equality_is_no_test(made):
    alpha = add(made, "alpha", [Claim("share", "acc", equals=1.0)])
    assert told(made, alpha) == "holds or fails on each of 260 samples"


def test_suites_judged_together_count_together(made):
    suite = made.project.suite("share")
    made.suites["share_again"] = dataclasses.replace(suite, name="share_again")
    alpha = add(made, "alpha", targets=[Target("share", "acc", at_least=0.5, together_with=["share_again"])])
    assert f"with {2 * N} samples" in told(made, alpha)


def test_a_suite_without_rows_of_its_own_is_no_mistake(made):
    from harness import Overlap, Suite

    made.suites["touching"] = Suite(
        name="touching", asks=[Overlap()], scorer=made.project.suite("share").scorer, metrics=[Mean("touched", (0, 1))]
    )
    alpha = add(made, "alpha", [Claim("touching", "touched", below=0.05)])
    assert told(made, alpha) == "its samples are not known before a first measurement"
