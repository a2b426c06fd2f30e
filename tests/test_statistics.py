"""Intervals, differences and verdicts against numbers worked out by hand, by scipy and by statsmodels."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import optimize, stats

from harness.errors import HarnessError, StatisticsError
from harness.statistics import (
    Interval,
    across_seeds,
    adjust,
    bootstrap_interval,
    confidence_sequence,
    mean_interval,
    minimum_detectable_difference,
    nested_interval,
    non_inferior,
    paired_bootstrap,
    paired_difference,
    paired_randomization,
    samples_needed,
    verdict,
)

Z = 1.959963985


def answers(right, n):
    return [1] * right + [0] * (n - right)


def pairs(better, worse, same_right, same_wrong):
    """Candidate and baseline 0/1 scores with these four counts."""
    candidate = answers(better, better + worse) + [1] * same_right + [0] * same_wrong
    baseline = [0] * better + [1] * worse + [1] * same_right + [0] * same_wrong
    return candidate, baseline


# One mean.


def test_importing_statistics_loads_neither_scipy_nor_torch():
    code = (
        "import sys, harness.statistics;"
        "print([m for m in ('torch', 'scipy', 'statsmodels', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("right", "n", "method"),
    [(150, 500, "wilson"), (30, 60, "wilson"), (1, 20, "beta"), (19, 20, "beta"), (29, 500, "beta")],
)
def test_accuracy_interval_agrees_with_statsmodels(right, n, method):
    from statsmodels.stats.proportion import proportion_confint

    interval = mean_interval(answers(right, n))
    assert (interval.low, interval.high) == pytest.approx(proportion_confint(right, n, 0.05, method), abs=1e-6)
    assert interval.estimate == pytest.approx(right / n)
    assert interval.method == {"wilson": "Wilson", "beta": "Clopper-Pearson"}[method]
    assert (interval.n, interval.p_value, interval.level) == (n, None, 0.95)


def test_all_wrong_and_all_right_keep_a_width():
    none, every = mean_interval(answers(0, 20)), mean_interval(answers(20, 20))
    assert (none.low, none.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert (every.low, every.high) == pytest.approx((0.025 ** (1 / 20), 1.0))


def test_a_single_right_answer_says_little_but_something():
    assert mean_interval([1]).low == pytest.approx(0.025)
    assert mean_interval([1]).high == 1.0


def test_accuracy_interval_covers_the_truth_in_94_of_100_cases():
    for n in (20, 100, 500):
        intervals = [mean_interval(answers(right, n)) for right in range(n + 1)]
        for p in (0.02, 0.3, 0.5, 0.98):
            held = [right for right, i in enumerate(intervals) if i.low <= p <= i.high]
            assert stats.binom.pmf(held, n, p).sum() >= 0.94, (n, p)


def test_mean_of_five_numbers_by_hand():
    # mean 3, s = sqrt(10 / 4), standard error sqrt(0.5), t(4) = 2.776445
    interval = mean_interval([1, 2, 3, 4, 5])
    assert interval.low == pytest.approx(3 - 2.776445 * math.sqrt(0.5), abs=1e-6)
    assert interval.high == pytest.approx(3 + 2.776445 * math.sqrt(0.5), abs=1e-6)


def test_equal_scores_give_no_width_and_the_method_says_so():
    interval = mean_interval([0.3] * 7)
    assert (interval.low, interval.high) == pytest.approx((0.3, 0.3))
    assert "no spread" in interval.method


def test_clustered_mean_by_hand():
    # Residuals from the mean 2.5 sum to -3, -1, 4 in the clusters: 3/2 * 26 / 36 = 13/12; t(2) = 4.302653
    interval = mean_interval([1, 1, 2, 2, 4, 5], clusters=["a", "a", "b", "b", "c", "c"])
    assert interval.estimate == 2.5
    assert interval.high - 2.5 == pytest.approx(4.302653 * math.sqrt(13 / 12), abs=1e-6)


def test_clustered_mean_agrees_with_statsmodels():
    import statsmodels.api as sm

    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(12), generator.integers(1, 9, 12))
    scores = generator.normal(size=12)[clusters] + generator.normal(size=clusters.size)
    fit = sm.OLS(scores, np.ones(scores.size)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    interval = mean_interval(scores, clusters)
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-6)


def test_clusters_of_one_change_nothing():
    generator = np.random.default_rng(5)
    for scores in (generator.normal(size=30), generator.integers(0, 2, 200)):
        alone, named = mean_interval(scores), mean_interval(scores, np.arange(scores.size))
        assert (named.low, named.high) == pytest.approx((alone.low, alone.high))


def test_copied_answers_count_once():
    few = mean_interval(answers(60, 200), clusters=range(200))
    copied = mean_interval(np.repeat(answers(60, 200), 5), clusters=np.repeat(range(200), 5))
    assert copied.high - copied.low == pytest.approx(few.high - few.low, rel=0.02)
    unaware = mean_interval(answers(300, 1000))
    assert copied.high - copied.low > 2 * (unaware.high - unaware.low)


def test_clustered_answers_all_right_count_about_as_many_samples_as_clusters():
    facts = np.repeat(range(29), 5)
    interval = mean_interval([1] * 145, clusters=facts)
    assert interval.low == pytest.approx(mean_interval([1] * 29).low, abs=0.02)
    one_wrong = mean_interval([0] + [1] * 144, clusters=facts)
    assert one_wrong.low <= interval.low + 0.01


def test_clusters_of_equal_mean_divide_nothing_by_zero():
    clusters = np.repeat(range(20), 2)
    accuracy = mean_interval([0, 1] * 20, clusters)
    assert accuracy.low < 0.5 < accuracy.high
    assert mean_interval([0.2, 0.4] * 20, clusters).estimate == pytest.approx(0.3)


# Two sides on the same samples.


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


def test_intervals_hold_plain_python_numbers():
    """They go to JSON and to the warehouse."""
    binary, numbers, facts = pairs(3, 1, 4, 2), ([0.1, 0.5, 0.2], [0.3, 0.1, 0.6]), ["a", "b"] * 5
    intervals = [
        mean_interval(binary[0]),
        mean_interval(binary[0], facts),
        mean_interval(numbers[0]),
        paired_difference(*binary),
        paired_difference(*binary, facts),
        paired_difference(*numbers),
        non_inferior(*binary, 0.1),
        non_inferior(*binary, 0.1, facts),
        non_inferior(*numbers, 0.1),
        bootstrap_interval(lambda i: np.float64(i.mean()), 10),
        paired_bootstrap(lambda i: i.mean(), lambda i: i.max(), 10),
    ]
    for interval in intervals:
        assert type(interval.n) is int
        for field in (interval.estimate, interval.low, interval.high, interval.level):
            assert type(field) is float, interval
        assert interval.p_value is None or type(interval.p_value) is float, interval


# Non-inferiority.


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


# Corpus metrics.


def test_bootstrap_of_a_ratio_agrees_with_scipy():
    generator = np.random.default_rng(11)
    size = generator.lognormal(4, 0.5, 60)
    nats = size * generator.normal(0.9, 0.2, 60)
    interval = bootstrap_interval(lambda i: nats[i].sum() / size[i].sum(), 60, resamples=4000)
    expected = stats.bootstrap(
        (nats, size),
        lambda a, b, axis=-1: a.sum(axis) / b.sum(axis),
        paired=True,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = expected.high - expected.low
    assert interval.estimate == pytest.approx(nats.sum() / size.sum())
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_bootstrap_repeats_exactly_and_draws_whole_clusters():
    scores = np.repeat(np.random.default_rng(12).normal(size=40), 6)

    def mean(i):
        return scores[i].mean()

    alone = bootstrap_interval(mean, scores)
    clustered = bootstrap_interval(mean, scores, clusters=np.repeat(range(40), 6))
    assert bootstrap_interval(mean, 240) == alone
    ratio = (clustered.high - clustered.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(6), rel=0.15)


def test_paired_bootstrap_sees_a_difference_and_no_difference():
    generator = np.random.default_rng(13)
    size = generator.lognormal(4, 0.5, 100)
    nats = size * generator.normal(0.9, 0.2, 100)

    def per_byte(total):
        return lambda i: total[i].sum() / size[i].sum()

    same = paired_bootstrap(per_byte(nats), per_byte(nats), 100, resamples=500)
    assert (same.estimate, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    better = paired_bootstrap(per_byte(nats - 0.05 * size * generator.random(100)), per_byte(nats), 100, resamples=500)
    assert better.high < 0
    assert better.p_value == pytest.approx(1 / 500)
    noise = paired_bootstrap(per_byte(generator.permutation(nats)), per_byte(nats), 100, resamples=500)
    assert (noise.p_value < 0.05) == (noise.low > 0 or noise.high < 0)


def test_bootstrap_refuses_a_statistic_that_is_not_finite():
    with pytest.raises(StatisticsError, match="statistic is nan"):
        bootstrap_interval(lambda i: math.nan, 10)
    with pytest.raises(StatisticsError, match="At least 2"):
        bootstrap_interval(lambda i: 1.0, 1)


# Planning.


def test_minimum_detectable_difference_at_500_questions():
    assert minimum_detectable_difference(500, p=0.3, paired=False) == pytest.approx(0.081, abs=5e-4)
    # normal theory says 0.0686, 0.0485 and 0.0280: the exact test, being conservative, needs a little more
    shares = {0.30: 0.0701, 0.15: 0.0499, 0.05: 0.0289}
    for discordant, points in shares.items():
        assert minimum_detectable_difference(500, discordant=discordant) == pytest.approx(points, abs=5e-5)


def mcnemar_power(n, discordant, difference):
    """Probability that the exact test rejects, summed over every outcome of n samples."""
    better, worse = (discordant + difference) / 2, (discordant - difference) / 2
    total = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            if b + c and stats.binomtest(b, b + c, 0.5).pvalue <= 0.05:
                total += stats.multinomial.pmf([b, c, n - b - c], n, [better, worse, 1 - discordant])
    return total


def test_the_detectable_difference_of_answers_has_the_power_asked_for():
    least = minimum_detectable_difference(30, discordant=0.5)
    assert mcnemar_power(30, 0.5, least) == pytest.approx(0.8, abs=1e-6)


def test_what_no_outcome_shows_is_detectable_nowhere_below_one():
    # of 20 samples 2 are discordant on average, and fewer than 6 never reject
    assert minimum_detectable_difference(20, discordant=0.1) == 1.0


@pytest.mark.parametrize("n", [10, 50, 500])
def test_the_detectable_difference_of_scores_agrees_with_statsmodels(n):
    from statsmodels.stats.power import TTestPower

    exact = TTestPower().solve_power(effect_size=None, nobs=n, alpha=0.05, power=0.8)
    assert minimum_detectable_difference(n, sd=1.0) == pytest.approx(exact, rel=5e-3)


def test_unknown_spread_counts_as_the_worst():
    assert minimum_detectable_difference(500) == minimum_detectable_difference(500, discordant=0.5)
    # (1.964729 + 0.842347) * sqrt(2 * 0.25) / sqrt(500), t with 499 degrees of freedom
    assert minimum_detectable_difference(500, paired=False) == pytest.approx(0.0887675, abs=1e-6)


def test_samples_needed_by_hand_and_as_the_inverse():
    # (2.801585 * 0.5 / 0.1)^2 = 196.2 by z; t(198) adds 1.0047^2: 198.1
    assert samples_needed(0.1, sd=0.5) == samples_needed(-0.1, sd=0.5) == 199
    for n in (10, 612, 5000):
        assert samples_needed(minimum_detectable_difference(n, sd=0.4), sd=0.4) == n
    needed = samples_needed(0.05, discordant=0.15)
    assert minimum_detectable_difference(needed, discordant=0.15) <= 0.05
    assert samples_needed(1.0, discordant=1.0) == 6, "2 / 2^6 is the first p below 0.05"
    with pytest.raises(StatisticsError, match="effect is 0.2, and the sides disagree on a share of 0.1"):
        samples_needed(0.2, discordant=0.1)


def test_planning_refuses_what_it_cannot_use():
    with pytest.raises(StatisticsError, match="one of sd, p, discordant; got sd and p"):
        samples_needed(0.1, sd=0.5, p=0.3)
    with pytest.raises(StatisticsError, match="unpaired"):
        samples_needed(0.1, discordant=0.2, paired=False)
    with pytest.raises(StatisticsError, match="effect is 0"):
        samples_needed(0, sd=1)
    with pytest.raises(StatisticsError, match="n is 0"):
        minimum_detectable_difference(0)
    with pytest.raises(StatisticsError, match="power is 80"):
        samples_needed(0.1, sd=1, power=80)


# Several claims, and the verdict.


def test_adjusted_p_values_by_hand():
    assert adjust([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert adjust([0.04, 0.01, 0.03], "bh") == pytest.approx([0.04, 0.03, 0.04])
    assert adjust([]) == []


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjusted_p_values_agree_with_statsmodels(method, name):
    from statsmodels.stats.multitest import multipletests

    p = [0.5, 0.001, 0.03, 0.03, 1.0, 0.0, 0.2]
    assert adjust(p, method) == pytest.approx(multipletests(p, method=name)[1].tolist(), abs=1e-6)


def test_adjust_refuses_other_methods_and_other_numbers():
    with pytest.raises(StatisticsError, match="bonferroni"):
        adjust([0.1], "bonferroni")
    with pytest.raises(StatisticsError, match=r"p_values\[1\] is 1.5"):
        adjust([0.1, 1.5])


def test_verdict_needs_the_whole_interval_on_one_side():
    interval = Interval(0.5, 0.4, 0.6, None, 100, "by hand")
    assert verdict(interval, above=0.39) == "pass"
    assert verdict(interval, above=0.5) == "inconclusive"
    assert verdict(interval, above=0.61) == "fail"
    assert verdict(interval, below=0.61) == "pass"
    assert verdict(interval, below=0.5) == "inconclusive"
    assert verdict(interval, below=0.39) == "fail"


def test_the_threshold_itself_is_neither_above_nor_below():
    point = Interval(0.5, 0.5, 0.5, None, 100, "by hand")
    assert verdict(point, above=0.5) == verdict(point, below=0.5) == "fail"
    assert verdict(point, at_least=0.5) == verdict(point, at_most=0.5) == "pass"


def test_equals_is_judged_on_the_samples_at_hand():
    every, one_less = mean_interval(answers(40, 40)), mean_interval(answers(39, 40))
    assert verdict(every, equals=1.0) == "pass"
    assert verdict(one_less, equals=1.0) == "fail"


def test_a_verdict_takes_exactly_one_claim():
    interval = mean_interval([0, 1])
    with pytest.raises(StatisticsError, match="got none"):
        verdict(interval)
    with pytest.raises(StatisticsError, match="got above, below"):
        verdict(interval, above=0.1, below=0.9)


# Input that cannot be used.


@pytest.mark.parametrize(
    ("scores", "clusters", "message"),
    [
        ([], None, "scores is empty"),
        ([0.5], None, "At least 2 are needed"),
        ([1.0, 0.0, math.nan], None, r"scores\[2\] is nan"),
        ([1.0, None], None, r"scores\[1\] is nan"),
        ([math.inf, 0.0], None, r"scores\[0\] is inf"),
        (["right", "wrong"], None, "not a list of numbers"),
        ([[1, 0], [0, 1]], None, r"shape \(2, 2\)"),
        ([1, 0, 1], ["a", "b"], "2 names for 3 scores"),
        ([1, 0, 1], ["a", "a", "a"], "one cluster"),
        ([1, 0, 1], ["a", None, "b"], r"clusters\[1\] is None"),
    ],
)
def test_unusable_scores_are_one_clear_error(scores, clusters, message):
    with pytest.raises(StatisticsError, match=message):
        mean_interval(scores, clusters)


@pytest.mark.parametrize("compare", [paired_difference, lambda x, y: non_inferior(x, y, 0.1)])
def test_sides_of_different_length_name_both_lengths(compare):
    with pytest.raises(StatisticsError, match="candidate has 3 scores, baseline has 2"):
        compare([1, 0, 1], [1, 0])
    with pytest.raises(StatisticsError, match=r"baseline\[1\] is nan"):
        compare([1, 0], [1, math.nan])
    with pytest.raises(StatisticsError, match="At least 2"):
        compare([0.3], [0.2])


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_share_not_a_percentage(level):
    with pytest.raises(StatisticsError, match=f"level is {level}"):
        mean_interval([0, 1], level=level)


def test_a_statistics_error_is_a_harness_error():
    assert issubclass(StatisticsError, HarnessError)


# Tests against another number than zero.


def test_p_against_a_number_says_what_the_interval_says():
    generator = np.random.default_rng(5)
    a, b = (generator.random(80) < 0.7).astype(float), (generator.random(80) < 0.55).astype(float)
    x, y = generator.normal(0.3, 1, 80), generator.normal(0, 1, 80)
    groups = np.repeat(range(20), 4)
    for found_at in (
        lambda against: mean_interval(a, against=against),
        lambda against: mean_interval(a, groups, against=against),
        lambda against: mean_interval(x, against=against),
        lambda against: paired_difference(a, b, against=against),
        lambda against: paired_difference(x, y, groups, against=against),
    ):
        one = found_at(0.01)
        for end in (one.low, one.high):
            assert found_at(end).p_value == pytest.approx(0.05, abs=1e-6)
            inside = end + 0.01 * (one.estimate - end)
            assert found_at(inside).p_value > 0.05
        assert found_at(one.estimate + 5).p_value <= 1e-12


@pytest.mark.parametrize("clusters", [5, 7, 29])
def test_p_against_a_number_exists_for_every_number_of_clusters(clusters):
    generator = np.random.default_rng(clusters)
    groups = np.repeat(range(clusters), 3)
    for share in (0.0, 0.1, 0.5):
        x = (generator.random(3 * clusters) < share).astype(float)
        for against in (0.02, 0.5, float(x.mean())):
            assert 0 < mean_interval(x, groups, against=against).p_value <= 1
            assert 0 < paired_difference(x, x[::-1], groups, against=against + 0.01).p_value <= 1


def test_t_test_against_a_number_agrees_with_scipy():
    x = np.random.default_rng(6).normal(0.2, 1, 40)
    assert mean_interval(x, against=0.5).p_value == pytest.approx(stats.ttest_1samp(x, 0.5).pvalue, abs=1e-12)


def test_bootstrap_p_against_a_number_is_where_the_interval_ends():
    x = np.random.default_rng(7).lognormal(size=200)
    mean = lambda index: x[index].mean()
    found = bootstrap_interval(mean, 200)
    assert found.p_value is None
    assert bootstrap_interval(mean, 200, against=found.low).p_value == pytest.approx(0.05, abs=0.003)
    assert bootstrap_interval(mean, 200, against=found.estimate).p_value > 0.9


def test_effect_sizes_by_hand():
    assert paired_difference(*pairs(9, 3, 10, 10)).effect_size == pytest.approx(9 / 12 - 0.5)  # Cohen's g
    d = [0.5, 1.0, 1.5]
    assert paired_difference(d, [0.0] * 3).effect_size == pytest.approx(1.0 / 0.5)  # Cohen's d_z
    assert paired_difference([1, 0], [1, 0]).effect_size is None


# Corpus metrics by exchanging answers.


def bleu_of(candidate, baseline, references):
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=False)
    counts = np.array([
        metric._extract_corpus_statistics([answer], [[reference]])[0]
        for side in (candidate, baseline)
        for answer, reference in zip(side, references, strict=True)
    ])  # fmt: skip
    return lambda index: metric._compute_score_from_stats(counts[index].sum(0).tolist()).score


def test_corpus_tests_agree_with_sacrebleu():
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    generator = np.random.default_rng(11)
    words = np.array(
        [
            "the",
            "a",
            "river",
            "city",
            "of",
            "in",
            "is",
            "was",
            "large",
            "small",
            "old",
            "founded",
            "lies",
            "north",
            "south",
            "bank",
            "by",
            "king",
            "and",
            "it",
        ]
    )
    references = [" ".join(generator.choice(words, 12)) for _ in range(80)]

    def spoilt(share):
        return [
            " ".join(word if generator.random() > share else generator.choice(words) for word in line.split())
            for line in references
        ]

    baseline, candidate = spoilt(0.50), spoilt(0.45)
    statistic = bleu_of(candidate, baseline, references)
    for kind, ours in (
        ("ar", paired_randomization(statistic, 80, resamples=4000)),
        ("bs", paired_bootstrap(statistic, lambda index: statistic(index + 80), 80, resamples=4000).p_value),
    ):
        systems = [("baseline", baseline), ("candidate", candidate)]
        test = PairedTest(systems, {"BLEU": BLEU(references=[references])}, None, test_type=kind, n_samples=4000)
        theirs = test()[1]["BLEU"][1]
        assert theirs.score == pytest.approx(statistic(np.arange(80)), abs=1e-9)
        # sacrebleu's bootstrap counts deviations from the mean one-sidedly about it; ours inverts the BCa interval
        assert ours == pytest.approx(theirs.p_value, abs=0.02 if kind == "ar" else 0.06), kind


def test_exchanging_identical_answers_tells_nothing():
    assert paired_randomization(lambda index: 1.0, 10, resamples=100) == 1.0
    x = np.concatenate([np.full(20, 2.0), np.zeros(20)])
    assert paired_randomization(lambda index: x[index].mean(), 20, resamples=999) == pytest.approx(0.001)
    clusters = np.repeat(range(2), 10)  # two coins: all four patterns are as far apart as, or less than, what is seen
    assert paired_randomization(lambda index: x[index].mean(), 20, 999, clusters=clusters) == pytest.approx(
        0.5, abs=0.06
    )


# Seeds and samples.


def test_nested_variance_by_hand():
    # rows are seeds, columns samples; grand mean 3. seed means 2, 4; sample means 2, 3, 4; residuals 0
    scores = [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    found = nested_interval(scores)
    # MS_seed = 3 * 2 / 1 = 6; MS_sample = 2 * 2 / 2 = 2; MS_residual = 0
    assert found.estimate == 3
    assert (found.seed_variance, found.sample_variance, found.residual_variance) == pytest.approx((2, 1, 0))
    half = lambda level: math.sqrt((stats.t.ppf(level, 1) ** 2 * 6 + stats.t.ppf(level, 2) ** 2 * 2) / 6)
    assert found.high - 3 == pytest.approx(half(0.975))
    assert half(1 - found.p_value / 2) == pytest.approx(3)


def test_nested_variance_agrees_with_statsmodels_anova():
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    generator = np.random.default_rng(2)
    x = generator.normal(size=(3, 1)) + generator.normal(size=12) + generator.normal(size=(3, 12))
    table = pandas.DataFrame({"x": x.ravel(), "seed": np.repeat(range(3), 12), "item": np.tile(range(12), 3)})
    squares = anova_lm(ols("x ~ C(seed) + C(item)", table).fit())["mean_sq"]
    found = nested_interval(x)
    assert found.residual_variance == pytest.approx(squares["Residual"])
    assert found.seed_variance == pytest.approx((squares["C(seed)"] - squares["Residual"]) / 12)
    assert found.sample_variance == pytest.approx((squares["C(item)"] - squares["Residual"]) / 3)


def test_seeds_that_agree_add_nothing_and_seeds_that_differ_widen():
    generator = np.random.default_rng(3)
    scores = generator.normal(size=200)
    alike = nested_interval([scores, scores, scores])
    one = mean_interval(scores)
    assert (alike.low, alike.high) == pytest.approx((one.low, one.high), rel=1e-6)
    apart = nested_interval([scores - 1, scores, scores + 1])
    assert apart.high - apart.low > 4 * (one.high - one.low)
    equal = nested_interval([[0.7] * 20] * 3)
    assert (equal.low, equal.high) == pytest.approx((0.7, 0.7))
    assert "no spread to judge by" in equal.method


def test_clustered_seeds_count_clusters():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(3, 20)) + generator.normal(size=20)
    copied, groups = np.repeat(x, 4, axis=1), np.repeat(range(20), 4)
    assert nested_interval(copied, groups).high == pytest.approx(nested_interval(x).high)


def test_an_interval_over_seeds_holds_the_truth():
    generator = np.random.default_rng(8)
    held = 0
    for _ in range(400):
        x = generator.normal(0, 0.3, (3, 1)) + generator.normal(0, 1, 60) + generator.normal(0, 1, (3, 60))
        one = nested_interval(x)
        held += one.low <= 0 <= one.high
    assert held / 400 >= 0.92


def test_across_seeds_adds_both_variances():
    sampling = Interval(2.0, 2.0 - 1.96, 2.0 + 1.96, None, 100, "BCa bootstrap")  # standard error 1
    found = across_seeds([1.0, 2.0, 3.0], sampling, against=0.0)
    half = lambda level: math.sqrt(stats.t.ppf(level, 2) ** 2 / 3 + stats.norm.ppf(level) ** 2)
    assert found.high == pytest.approx(2 + half(0.975), rel=1e-4)
    assert half(1 - found.p_value / 2) == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize(
    ("scores", "message"),
    [([[1.0, 0.5]], "1 seeds"), ([[1.0], [0.5]], "no spread"), ([[1.0, 2.0], [1.0]], "2, 1 scores differ")],
)
def test_seeds_that_cannot_be_judged_are_told(scores, message):
    with pytest.raises(StatisticsError, match=message):
        nested_interval(scores)


# Looking after every sample.


def test_a_confidence_sequence_misses_the_truth_at_no_look():
    generator = np.random.default_rng(9)
    missed = plain_missed = 0
    looks = range(10, 301, 10)
    for _ in range(200):
        x = (generator.random(300) < 0.4).astype(float)
        ends = [confidence_sequence(x[:n], (0, 1), tune_at=150) for n in looks]
        missed += any(not one.low <= 0.4 <= one.high for one in ends)
        plain_missed += any(not one.low <= 0.4 <= one.high for one in (mean_interval(x[:n]) for n in looks))
    assert missed / 200 <= 0.05
    assert plain_missed / 200 > 0.15, "looking again and again at a plain interval is what goes wrong"


def test_a_confidence_sequence_narrows_and_decides():
    generator = np.random.default_rng(10)
    x = (generator.random(2000) < 0.8).astype(float)
    widths = [confidence_sequence(x[:n], (0, 1)).high - confidence_sequence(x[:n], (0, 1)).low for n in (50, 500, 2000)]
    assert widths[0] > widths[1] > widths[2]
    found = confidence_sequence(x, (0, 1), against=0.5)
    assert found.low > 0.5
    assert found.p_value < 0.05
    assert confidence_sequence(x, (0, 1), against=found.low).p_value == pytest.approx(0.05, abs=1e-4)
    assert confidence_sequence([0.0] * 3, (0, 1)).low >= 0


def test_copied_answers_do_not_narrow_a_confidence_sequence():
    x = np.random.default_rng(12).random(100)
    copied, groups = np.repeat(x, 5), np.repeat(range(100), 5)
    own, of_copies = confidence_sequence(x, (0, 1)), confidence_sequence(copied, (0, 1), groups)
    assert of_copies.high - of_copies.low > 0.9 * (own.high - own.low)


def test_clusters_of_any_size_are_looked_at_without_more_misses():
    """One cluster in ten has 20 samples, all alike, and is mostly right; the others are single and mostly wrong."""
    generator = np.random.default_rng(13)
    mean = (0.1 * 20 * 0.8 + 0.9 * 0.3) / (0.1 * 20 + 0.9)
    missed = 0
    for _ in range(60):
        sizes = np.where(generator.random(60) < 0.1, 20, 1)
        right = generator.random(60) < np.where(sizes > 1, 0.8, 0.3)
        x, groups = np.repeat(right.astype(float), sizes), np.repeat(range(60), sizes)
        ends = np.cumsum(sizes)[4::10]
        found = [confidence_sequence(x[:n], (0, 1), groups[:n], tune_at=100, largest_cluster=20) for n in ends]
        missed += any(not one.low <= mean <= one.high for one in found)
    assert missed / 60 <= 0.05


def test_clusters_of_several_sizes_need_the_largest_beforehand():
    x, groups = [0.0, 1.0, 1.0], ["a", "b", "b"]
    with pytest.raises(StatisticsError, match="clusters of 1 to 2 samples, and largest_cluster is missing"):
        confidence_sequence(x, (0, 1), groups)
    with pytest.raises(StatisticsError, match="a cluster has 2 samples, and largest_cluster is 1"):
        confidence_sequence(x, (0, 1), groups, largest_cluster=1)
    assert confidence_sequence(x, (0, 1), groups, largest_cluster=2).n == 3


@pytest.mark.parametrize(
    ("scores", "bounds", "message"),
    [
        ([0.5, 1.5], (0, 1), "1.5, outside of its bounds 0 to 1"),
        ([0.5], (1, 0), "two rising numbers"),
        ([], (0, 1), "empty"),
    ],
)
def test_a_confidence_sequence_refuses_what_has_no_bounds(scores, bounds, message):
    with pytest.raises(StatisticsError, match=message):
        confidence_sequence(scores, bounds)
