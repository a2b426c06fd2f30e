"""Ratings by several people: intervals with items and raters drawn, and agreement."""

import math

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("krippendorff")

from harness.errors import StatisticsError
from harness.statistics.raters import agreement, mean_of_ratings


def long(table):
    """A complete table, items by raters -> values, items, raters."""
    rows, columns = table.shape
    places = [(i, j) for i in range(rows) for j in range(columns)]
    return [float(table[i, j]) for i, j in places], [f"i{i}" for i, _ in places], [f"r{j}" for _, j in places]


def test_of_a_complete_table_it_is_the_analysis_of_variance():
    draw = np.random.default_rng(1)
    table = draw.normal(size=(12, 4)) + draw.normal(size=(12, 1)) + draw.normal(size=(1, 4)) + 0.7
    found = mean_of_ratings(*long(table))
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    of_items = 4 * ((rows - mean) ** 2).sum() / 11
    of_raters = 12 * ((columns - mean) ** 2).sum() / 3
    of_single = ((table - mean) ** 2).sum() / 47
    variance = (of_items + of_raters - of_single) / 48
    freedom = variance**2 / sum((part / 48) ** 2 / df for part, df in ((of_items, 11), (of_raters, 3), (of_single, 33)))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert found.estimate == pytest.approx(mean)
    assert (found.low, found.high) == (pytest.approx(mean - half), pytest.approx(mean + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(mean) / math.sqrt(variance), freedom))
    assert (found.n, found.method) == (48, "two-way clustered t, 12 items, 4 raters")


def test_one_rater_is_judged_by_items_and_says_so():
    values = [1.0, -1.0, 0.0, 1.0, 1.0, 0.0]
    found = mean_of_ratings(values, list("abcdef"), ["anna"] * 6)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.method == "t, 6 items, of one rater"


def test_ratings_of_one_place_count_once_and_items_that_belong_together_as_one():
    once = mean_of_ratings([1.0, 0.0, -1.0], list("abc"), ["x"] * 3)
    twice = mean_of_ratings([1.0, 1.0, 0.0, -1.0], list("aabc"), ["x"] * 4)
    assert (twice.low, twice.high, twice.n) == (once.low, once.high, 3)


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_where_all_agree_the_interval_is_not_of_no_width(value):
    found = mean_of_ratings([value] * 10, list("abcdefghij"), ["x", "y"] * 5, within=(-1.0, 1.0))
    assert sorted((found.low * value, found.high * value)) == [pytest.approx(2 * 0.025 ** (1 / 10) - 1), 1.0]
    assert found.p_value == pytest.approx(2 * 0.5**10)


def test_ratings_all_alike_leave_room_for_items_that_are_otherwise():
    share = 1 - 0.025 ** (1 / 5)
    same = mean_of_ratings([0.0] * 5, list("abcde"), ["x"] * 5, within=(-1.0, 1.0))
    assert (same.low, same.high, same.p_value) == (pytest.approx(-share), pytest.approx(share), 1.0)
    fours = mean_of_ratings([4.0] * 5, list("abcde"), ["x"] * 5, within=(1.0, 5.0))
    assert (fours.low, fours.high) == (pytest.approx(4 - 3 * share), pytest.approx(4 + share))
    assert "of one rater" in fours.method
    with pytest.raises(StatisticsError, match="all ratings are alike, and what they can be at most is not known"):
        mean_of_ratings([4.0] * 5, list("abcde"), ["x"] * 5)


def test_raters_who_say_the_opposite_of_each_other_are_not_alike():
    found = mean_of_ratings([1.0, -1.0, -1.0, 1.0] * 2, list("aabbccdd"), ["x", "y"] * 4, within=(-1.0, 1.0))
    assert found.low < -0.5
    assert found.high > 0.5


def test_a_rater_who_rated_most_does_not_speak_for_all():
    items = [f"i{n}" for n in range(60)]
    draw = np.random.default_rng(3)
    noise = draw.choice([-1.0, 0.0, 1.0], size=60, p=[0.1, 0.3, 0.6]).tolist()
    alone = mean_of_ratings(noise, items, ["x"] * 60, within=(-1.0, 1.0))
    joined = mean_of_ratings([*noise, 0.0, -1.0, 0.0, 1.0], [*items, "i0", "i1", "i0", "i1"], ["x"] * 60 + ["y", "y", "z", "z"], within=(-1.0, 1.0))  # fmt: skip
    assert joined.high - joined.low > 1.5 * (alone.high - alone.low)


def test_too_few_items_and_numbers_that_are_none_are_refused():
    with pytest.raises(StatisticsError, match="1 item; at least 2"):
        mean_of_ratings([1.0, 0.0], ["a", "a"], ["x", "y"])
    with pytest.raises(StatisticsError):
        mean_of_ratings([1.0, math.nan], ["a", "b"], ["x", "y"])
    with pytest.raises(StatisticsError, match="2 values, 1 items"):
        mean_of_ratings([1.0, 0.0], ["a"], ["x", "y"])


def test_a_rater_of_another_taste_widens_the_interval():
    same = np.tile([[1.0], [0.0], [1.0], [-1.0], [1.0], [0.0]] * 5, (1, 3))
    apart = same.copy()
    apart[:, 2] = -1.0
    narrow, wide = mean_of_ratings(*long(same)), mean_of_ratings(*long(apart))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_agreement_is_krippendorffs_alpha():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: nominal, four observers, missing values
    table = {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
    ratings = {rater: {str(i): v for i, v in enumerate(values) if v is not None} for rater, values in table.items()}
    assert agreement(ratings, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert agreement(ratings, "ordinal") == pytest.approx(0.815, abs=5e-4)


@pytest.mark.parametrize("ratings", [{}, {"a": {"x": 1.0}}, {"a": {"x": 1.0}, "b": {"y": 1.0}}, {"a": {"x": 1.0}, "b": {"x": 1.0}}])  # fmt: skip
def test_without_two_values_of_an_item_or_two_kinds_there_is_no_agreement(ratings):
    assert agreement(ratings, "ordinal") is None


def test_no_interval_goes_beyond_what_a_rating_can_be():
    values, items, raters = [1.0, 1.0, -1.0, 1.0], ["a", "a", "b", "b"], ["x", "y"] * 2
    free = mean_of_ratings(values, items, raters)
    held = mean_of_ratings(values, items, raters, within=(-1.0, 1.0))
    assert free.low < -1.0
    assert (held.low, held.high) == (-1.0, 1.0)
    assert held.p_value == free.p_value
