"""An interval against a threshold: pass, fail or inconclusive."""

import pytest

from harness.errors import StatisticsError
from harness.statistics import Interval, mean_interval, verdict
from tests.statistics.answers import answers


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
