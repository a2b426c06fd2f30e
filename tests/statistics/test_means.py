"""The mean score with its interval, against numbers worked out by hand, by scipy and by statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics import mean_interval, paired_difference
from tests.statistics.answers import answers


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


# ---- against another number than zero -----------------------------------------------------------------


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
