"""Two sides on the same samples, against numbers worked out by hand, by enumeration, by scipy and by statsmodels."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from harness.errors import StatisticsError
from harness.statistics import non_inferior, paired_difference, verdict
from tests.statistics.answers import answers, pairs

Z = 1.959963985


def test_mcnemar_by_hand():
    # 8 better, 2 worse: 2 * (1 + 10 + 45) / 1024
    difference = paired_difference(*pairs(8, 2, 20, 10))
    assert difference.p_value == pytest.approx(112 / 1024)
    assert difference.estimate == pytest.approx(6 / 40)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (5, 5), (30, 12), (0, 9)])
def test_mcnemar_agrees_with_statsmodels(better, worse):
    from statsmodels.stats.contingency_tables import mcnemar

    expected = mcnemar([[20, better], [worse, 15]], exact=True).pvalue
    assert paired_difference(*pairs(better, worse, 20, 15)).p_value == pytest.approx(min(expected, 1.0), abs=1e-6)


def test_the_same_answers_differ_by_nothing_but_not_for_sure():
    # Tango's interval without discordant samples, by hand: n d = z^2 (1 - d)
    difference = paired_difference(answers(20, 50), answers(20, 50))
    assert (difference.estimate, difference.p_value) == (0.0, 1.0)
    assert difference.high == pytest.approx(Z**2 / (50 + Z**2), abs=1e-6)
    assert difference.low == pytest.approx(-difference.high)


@pytest.mark.parametrize(("better", "worse", "n"), [(30, 12, 100), (6, 0, 20), (1, 2, 40)])
def test_score_interval_ends_where_the_score_test_of_the_likelihood_does(better, worse, n):
    """Its ends satisfy Tango's equation with P(worse) found by maximizing the likelihood."""
    interval = non_inferior(*pairs(better, worse, 0, n - better - worse), margin=0.1, level=0.975)
    assert interval.level == pytest.approx(0.95)
    for end in (interval.low, interval.high):

        def minus_loglikelihood(q, d=end):
            return -stats.multinomial.logpmf([better, worse, n - better - worse], n, [q + d, q, 1 - 2 * q - d])

        bounds = (max(0.0, -end) + 1e-12, (1 - end) / 2 - 1e-12)
        q = optimize.minimize_scalar(minus_loglikelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        z = (better - worse - n * end) / math.sqrt(n * (2 * q + end - end**2))
        assert abs(z) == pytest.approx(Z, abs=1e-4)


def test_paired_interval_excludes_zero_only_where_the_exact_test_rejects():
    for better, worse in itertools.product(range(15), range(15)):
        difference = paired_difference(*pairs(better, worse, 30, 10))
        assert (difference.low > 0 or difference.high < 0) == (difference.p_value < 0.05), (better, worse)
        assert difference.low < difference.high


def test_exchanging_the_sides_mirrors_the_difference():
    x, y = pairs(9, 3, 20, 8)
    there, back = paired_difference(x, y), paired_difference(y, x)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_value == back.p_value


def test_one_pair_of_answers_decides_nothing():
    difference = paired_difference([1], [0])
    assert difference.p_value == 1.0
    assert difference.low < 0 < difference.high == 1.0


def test_three_differences_have_eight_sign_patterns():
    assert paired_difference([1.5, 2.5, 3.5], [0.5, 0.5, 0.5]).p_value == pytest.approx(2 / 8)


def test_sign_flips_agree_with_enumeration():
    d = np.random.default_rng(6).normal(0.4, 1, 9)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product([-1, 1], repeat=9)]
    expected = np.mean(np.array(sums) >= abs(d.sum()) - 1e-9)
    assert paired_difference(d, np.zeros(9)).p_value == pytest.approx(expected)


def test_random_sign_flips_agree_with_the_t_test_and_repeat_exactly():
    d = np.random.default_rng(7).normal(0.1, 1, 300)
    first, second = paired_difference(d, np.zeros(300)), paired_difference(d, np.zeros(300))
    test = stats.ttest_1samp(d, 0)
    assert first == second
    assert first.p_value == pytest.approx(test.pvalue, abs=0.015)
    assert (first.low, first.high) == pytest.approx(tuple(test.confidence_interval()))


def test_a_p_value_from_random_flips_is_never_zero():
    assert paired_difference(np.full(100, 2.0) + np.arange(100), np.zeros(100)).p_value == pytest.approx(1e-4)


def test_very_many_differences_use_the_normal_limit():
    d = np.random.default_rng(8).normal(0.01, 1, 20_000)
    assert paired_difference(d, np.zeros(d.size)).p_value == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=1e-3)


def test_equal_differences_work():
    same = paired_difference([0.1, 0.7, 0.4], [0.1, 0.7, 0.4])
    assert (same.estimate, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    shifted = paired_difference([0.3, 0.9, 0.6, 0.5], [0.1, 0.7, 0.4, 0.3])
    assert shifted.p_value == pytest.approx(2 / 16)
    assert "no spread" in shifted.method


def test_clusters_flip_their_signs_together():
    candidate, baseline = pairs(12, 0, 0, 0)
    assert paired_difference(candidate, baseline).p_value == pytest.approx(2 / 2**12)
    in_threes = paired_difference(candidate, baseline, clusters=np.repeat(range(4), 3))
    assert in_threes.p_value == pytest.approx(2 / 2**4)
    assert in_threes.low < 0


def test_copied_differences_are_no_more_certain():
    x, y = pairs(30, 14, 30, 26)
    once = paired_difference(x, y)
    copied = paired_difference(np.repeat(x, 8), np.repeat(y, 8), clusters=np.repeat(range(100), 8))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)
    assert copied.p_value == pytest.approx(once.p_value, abs=0.02)


def test_false_alarms_stay_at_five_percent():
    generator = np.random.default_rng(9)
    alarms = {"answers": 0, "numbers": 0}
    for _ in range(300):
        both = [generator.integers(0, 2, 50), generator.integers(0, 2, 50)]
        alarms["answers"] += verdict(paired_difference(*both), above=0) == "pass"
        alarms["answers"] += verdict(paired_difference(*both), below=0) == "pass"
        both = [generator.beta(0.5, 2, 50), generator.beta(0.5, 2, 50)]
        alarms["numbers"] += paired_difference(*both).p_value < 0.05
    # 300 trials at 5 %: 15 expected, 24 or fewer with 99 %
    assert max(alarms.values()) <= 24


def test_non_inferior_t_by_hand():
    # mean 0.1, s = 0.158114, standard error 0.0707107; (0.1 + 0.05) / 0.0707107 = 2.12132 with t(4)
    d = np.array([-0.1, 0.0, 0.1, 0.2, 0.3])
    interval = non_inferior(d + 0.5, np.full(5, 0.5), margin=0.05)
    assert interval.p_value == pytest.approx(stats.t.sf(2.121320, 4), abs=1e-6)
    assert interval.low == pytest.approx(0.1 - 2.131847 * 0.0707107, abs=1e-6)
    assert interval.level == pytest.approx(0.90)
    assert "90 % two-sided interval, one-sided p" in interval.method


def test_non_inferior_interval_and_p_value_say_the_same():
    generator = np.random.default_rng(10)
    for _ in range(100):
        n = int(generator.integers(10, 80))
        x, y = generator.integers(0, 2, n), generator.integers(0, 2, n)
        for scores in ((x, y), (x + generator.random(n), y + generator.random(n))):
            interval = non_inferior(*scores, margin=0.15)
            assert (interval.low > -0.15) == (interval.p_value < 0.05)
            assert (verdict(interval, above=-0.15) == "pass") == (interval.p_value < 0.05)


def test_identical_answers_are_non_inferior_once_there_are_enough():
    # z^2 / (n + z^2) at one-sided 5 % is 0.0635 for 40 samples, 0.0132 for 200
    assert non_inferior(answers(10, 40), answers(10, 40), margin=0.05).p_value > 0.05
    assert non_inferior(answers(50, 200), answers(50, 200), margin=0.05).p_value < 0.05


def test_equal_numbers_are_non_inferior_once_there_are_enough():
    # without spread the sign test is left: all of n coins fall on one side with 2^-n
    assert non_inferior([0.5, 0.7], [0.5, 0.7], margin=0.01).p_value == 0.25
    found = non_inferior([0.5] * 5, [0.5] * 5, margin=0.01)
    assert (found.low, found.high) == (0.0, 0.0)
    assert found.p_value == 1 / 32
    assert non_inferior([0.3] * 9, [0.5] * 9, margin=0.2).p_value == 1.0, "worse by just the margin"


@pytest.mark.parametrize("margin", [-0.02, 0.0, math.nan])
def test_margin_of_the_wrong_sign_explains_the_convention(margin):
    with pytest.raises(StatisticsError, match="(?s)positive.*candidate - baseline.*difference > -margin"):
        non_inferior([1, 0], [1, 1], margin)


def test_effect_sizes_by_hand():
    assert paired_difference(*pairs(9, 3, 10, 10)).effect_size == pytest.approx(9 / 12 - 0.5)  # Cohen's g
    d = [0.5, 1.0, 1.5]
    assert paired_difference(d, [0.0] * 3).effect_size == pytest.approx(1.0 / 0.5)  # Cohen's d_z
    assert paired_difference([1, 0], [1, 0]).effect_size is None
