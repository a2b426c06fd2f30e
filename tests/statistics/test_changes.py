"""Change points: found where they are, and no oftener by chance than stated."""

import numpy as np
import pytest

from harness.errors import StatisticsError
from harness.statistics.changes import change_points

RNG = np.random.default_rng(7)


def history(shifts, n=80, alike=0.8):
    """Measurements of the same samples, each shifted by so many standard errors of one measurement."""
    item = RNG.normal(size=n) * alike**0.5
    noise = RNG.normal(size=(len(shifts), n)) * (1 - alike) ** 0.5
    return item + noise + np.array(shifts)[:, None] / n**0.5


def test_a_change_is_found_where_it_is():
    found = change_points(history([0, 0, 0, 0, 5, 5, 5]))
    assert [one.place for one in found] == [4]
    assert found[0].p_value <= 0.001


def test_several_changes_are_found_in_order():
    assert [one.place for one in change_points(history([0, 0, 0, 6, 6, 6, -1, -1, -1]))] == [3, 6]


def test_two_measurements_by_hand():
    """With one point the statistic is the sum of differences, and 2 of the 16 sign patterns are as large."""
    [first, second] = [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]
    assert change_points([first, second]) == []  # p is 2/16
    [change] = change_points([first, second], level=0.8, times=20_000)
    assert change.p_value == pytest.approx(2 / 16, abs=0.01)


def test_equal_measurements_and_single_ones_have_no_change():
    assert change_points([[0.1, 0.7, 0.3]] * 5) == []
    assert change_points([[0.1, 0.7, 0.3]]) == []


def test_clusters_are_exchanged_whole():
    """Ten copies of four samples tell no more than the four."""
    first, second = [0.0] * 40, [1.0] * 40
    assert change_points([first, second]) != []
    assert change_points([first, second], clusters=[i // 10 for i in range(40)]) == []


def test_false_alarms_stay_at_the_level_whatever_the_number_of_points():
    alarms = [bool(change_points(history([0] * 8, n=40, alike=0.5), times=399, seed=i)) for i in range(400)]
    assert np.mean(alarms) <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_shift_of_two_standard_errors_is_found_within_two_runs_where_runs_are_alike():
    def found():
        scores = history([0] * 8 + [2, 2], n=120, alike=0.8)
        return any(change_points(scores[:last], times=399) for last in (9, 10))

    assert np.mean([found() for _ in range(100)]) >= 0.8


@pytest.mark.parametrize(
    ("scores", "clusters", "message"),
    [
        ([[1.0, 2.0], [1.0]], None, r"measurements of \[1, 2\] samples differ"),
        ([[1.0], [2.0]], None, "one sample alone has no spread"),
        ([[1.0, 2.0], [2.0, 3.0]], ["a", "a"], "all 2 scores are in one cluster"),
        ([[1.0, float("nan")], [2.0, 3.0]], None, "nan"),
    ],
)
def test_scores_that_cannot_be_compared(scores, clusters, message):
    with pytest.raises(StatisticsError, match=message):
        change_points(scores, clusters)
