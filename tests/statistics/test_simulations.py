"""A small, seeded part of `benchmarks/statistics.py`: what README promises of verdicts holds within simulation error."""

import importlib.util
import math
import re
import sys

import pytest

from tests.projects import ROOT

SIMULATIONS = 200


@pytest.fixture(scope="module")
def simulated():
    spec = importlib.util.spec_from_file_location("simulated", ROOT / "benchmarks" / "statistics.py")
    module, path = importlib.util.module_from_spec(spec), sys.path[:]
    spec.loader.exec_module(module)
    sys.path[:] = path
    return lambda part, simulations=SIMULATIONS: list(module.PARTS[part](simulations, 1))[1:]


def percent(cell):
    return float(re.match(r"[\d.]+", cell)[0])


def error(p, simulations=SIMULATIONS):
    """Three times the simulation error of a share, in points."""
    return 300 * math.sqrt(p * (1 - p) / simulations)


def test_chance_alone_rarely_makes_a_verdict(simulated):
    rows = simulated("alarms")
    assert len(rows) == 12
    for kind, n, *found in rows:
        for cell in found:
            assert percent(cell) <= 5 + error(0.05), (kind, n, cell)


def test_the_printed_difference_is_found_four_times_of_five(simulated):
    for kind, n, _, found in simulated("power"):
        assert abs(percent(found) - 80) <= 3 + error(0.8), (kind, n, found)


def test_intervals_hold_the_truth(simulated):
    for kind, n, *found in simulated("coverage"):
        exact = kind == "accuracy"
        for cell in found:
            assert percent(cell) >= 94 - (0 if exact else error(0.05)), (kind, n, cell)


def test_holm_keeps_twenty_nulls_quiet(simulated):
    (_, plain), (_, held) = simulated("holm")
    assert percent(held) <= 5 + error(0.05)
    assert percent(plain) > 40


def test_looking_again_and_again_misses_only_without_a_confidence_sequence(simulated):
    for _, naive, missed, _ in simulated("sequence", 100):
        assert percent(naive) >= 10
        assert percent(missed) <= 5 + error(0.05, 100)


def test_intervals_over_seeds_hold_the_truth(simulated):
    for kind, seeds, alone, nested in simulated("seeds"):
        assert percent(nested) >= 95 - error(0.05, SIMULATIONS if kind == "scores" else SIMULATIONS // 4), seeds
        assert percent(alone) <= percent(nested)
