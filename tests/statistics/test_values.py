"""Scores and clusters that cannot be used are one clear error, wherever they enter."""

import math

import pytest

from harness.errors import HarnessError, StatisticsError
from harness.statistics import mean_interval, non_inferior, paired_difference


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
