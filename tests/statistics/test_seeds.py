"""Training seeds beside samples: variances by hand and against statsmodels, and what the intervals hold."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.errors import StatisticsError
from harness.statistics import Interval, across_seeds, mean_interval, nested_interval


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
