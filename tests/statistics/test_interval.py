"""What statistics give: plain values, from a package that loads nothing until it computes."""

import subprocess
import sys

import numpy as np
import pytest

from harness import statistics
from harness.statistics import bootstrap_interval, mean_interval, non_inferior, paired_bootstrap, paired_difference
from harness.statistics.interval import p_in_words
from tests.statistics.answers import pairs


def test_importing_statistics_loads_neither_scipy_nor_torch():
    code = (
        "import sys, harness.statistics;"
        "print([m for m in ('torch', 'scipy', 'statsmodels', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


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
        paired_bootstrap((lambda i: i.mean(), lambda i: i.max()), 10),
    ]
    for interval in intervals:
        assert type(interval.n) is int
        for field in (interval.estimate, interval.low, interval.high, interval.level):
            assert type(field) is float, interval
        assert interval.p_value is None or type(interval.p_value) is float, interval


def test_every_name_of_the_package_is_found_and_another_is_not():
    for name in statistics.__all__:
        assert getattr(statistics, name).__name__ == name
    with pytest.raises(AttributeError, match="'harness.statistics' has no attribute 'mode'"):
        statistics.mode  # noqa: B018


def test_a_tiny_p_value_is_told_as_a_bound():
    assert [p_in_words(value) for value in (0.0012, 1e-10, 1e-12)] == ["= 0.0012", "= 1e-10", "< 1e-10"]
