"""What each gate could detect, said before anything runs: by earlier evaluations, else for the worst case."""

import dataclasses

import pytest

from harness import Claim, Mean, Target
from harness.store.baselines import bless, read
from harness.gates.forecast import Forecast
from harness.gates.gate import all_gates
from tests.hand_made import add, measure

N = 260  # rows of the embedded prompts


def told(bench, subject, index=0):
    return Forecast(bench).detectable(all_gates(bench, [subject])[index])


def test_without_a_measurement_it_is_the_worst_case_for_scores_within_bounds(bench):
    alpha = add(bench, "alpha", [Claim("share", "acc", above=0.5)])
    # (t(0.975) + t(0.8)) * 0.5 / sqrt(260) = (1.969 + 0.843) * 0.0310
    assert told(bench, alpha) == "could detect a difference of 0.087 with 260 samples (worst case for scores in [0, 1])"
    paired = add(bench, "beta", [Claim("share", "acc", higher_than="alpha")])
    assert "a difference of 0.17 with 260 samples (worst case" in told(bench, paired)


def test_more_claims_need_more_evidence_each(bench):
    alpha = add(bench, "alpha", [Claim("share", "acc", above=0.5), Claim("share", "acc", below=0.9)])
    assert "a difference of 0.096" in told(bench, alpha)


def test_scores_without_bounds_cannot_be_foretold_before_a_first_measurement(bench):
    alpha = add(bench, "alpha", [Claim("share", "loss", below=0.5)])
    assert told(bench, alpha) == "260 samples; what they could detect is not known before a first measurement"


def test_an_earlier_evaluation_tells_the_spread(bench):
    alpha = add(bench, "alpha", [Claim("share", "loss", below=0.5)])
    # sd 1.0 by hand; 95 % interval of 100 samples: half width 1.984 / 10, read as 1.96 sd / sqrt(n): 1.0124
    measure(bench, add(bench, "older"), "share", acc=[0.0] * 100, loss=[1.0, -1.0] * 50)
    found = told(bench, alpha)
    assert found.endswith("with 260 samples (by the spread of an earlier evaluation)")
    assert float(found.split()[5]) == pytest.approx((1.969 + 0.843) * 1.0124 * (100 / 99) ** 0.5 / 260**0.5, abs=0.01)


def test_both_sides_measured_before_tell_how_alike_they_are(bench):
    alpha = add(bench, "alpha", [Claim("share", "loss", lower_than="beta")])
    beta = add(bench, "beta")
    loss = [float(i) for i in range(100)]
    measure(bench, beta, "share", acc=[0.0] * 100, loss=loss)
    measure(bench, alpha, "share", acc=[0.0] * 100, loss=[x + 0.1 * (i % 2) for i, x in enumerate(loss)])
    found = told(bench, alpha)
    assert found.endswith("(by earlier evaluations of both sides)")
    assert float(found.split()[5]) < 0.02, "paired, a spread of 0.05 and not of 29"


def test_a_guarded_metric_says_which_margin_its_samples_allow(bench):
    alpha = add(bench, "alpha")
    measure(bench, alpha, "share", acc=[1.0, 0.0] * 50, loss=[1.0, 2.0] * 50)
    bless(bench.store.root, "main", bench.measured([alpha]), None)
    bench.baseline = read(bench.store.root, "main")
    found = told(bench, add(bench, "alpha", version="2"))
    assert found.startswith("could show that a fall stays below 0.1")
    assert "and must below 0.1 (by the spread of an earlier evaluation, both sides taken as independent)" in found


def test_equality_is_no_test(bench):
    alpha = add(bench, "alpha", [Claim("share", "acc", equals=1.0)])
    assert told(bench, alpha) == "holds or fails on each of 260 samples"


def test_suites_judged_together_count_together(bench):
    suite = bench.suite_named("share")
    bench.suites["share_again"] = dataclasses.replace(suite, name="share_again")
    alpha = add(bench, "alpha", targets=[Target("share", "acc", at_least=0.5, together_with=["share_again"])])
    assert f"with {2 * N} samples" in told(bench, alpha)


def test_a_suite_without_rows_of_its_own_is_no_mistake(bench):
    from harness import Overlap, Suite

    bench.suites["touching"] = Suite(
        name="touching", asks=[Overlap()], scorer=bench.suite_named("share").scorer, metrics=[Mean("touched", (0, 1))]
    )
    alpha = add(bench, "alpha", [Claim("touching", "touched", below=0.05)])
    assert told(bench, alpha) == "its samples are not known before a first measurement"
