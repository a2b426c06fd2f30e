"""Before anything is measured: the least difference that would show, against enumeration and statsmodels."""

import math

import pytest
from scipy import stats

from harness.errors import StatisticsError
from harness.statistics import minimum_detectable_difference, samples_needed


def test_minimum_detectable_difference_at_500_questions():
    assert minimum_detectable_difference(500, p=0.3) == pytest.approx(0.083, abs=5e-4)
    # sides that answered other samples each: the difference of two means has twice the variance of one
    assert minimum_detectable_difference(500, sd=math.sqrt(2 * 0.3 * 0.7)) == pytest.approx(0.081, abs=5e-4)
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
    assert minimum_detectable_difference(500, sd=math.sqrt(2 * 0.25)) == pytest.approx(0.0887675, abs=1e-6)


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
    with pytest.raises(StatisticsError, match="effect is 0"):
        samples_needed(0, sd=1)
    with pytest.raises(StatisticsError, match="n is 0"):
        minimum_detectable_difference(0)
    with pytest.raises(StatisticsError, match="power is 80"):
        samples_needed(0.1, sd=1, power=80)
