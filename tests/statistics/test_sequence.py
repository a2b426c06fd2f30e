"""An interval that is looked at after every sample: how often it misses, how it narrows, what it refuses."""

import numpy as np
import pytest

from harness.errors import StatisticsError
from harness.statistics import SamplingPlan, confidence_sequence, mean_interval


def test_a_confidence_sequence_misses_the_truth_at_no_look():
    generator = np.random.default_rng(9)
    missed = plain_missed = 0
    looks = range(10, 301, 10)
    for _ in range(200):
        x = (generator.random(300) < 0.4).astype(float)
        ends = [confidence_sequence(x[:n], (0, 1), plan=SamplingPlan(tune_at=150)) for n in looks]
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
    plan, missed = SamplingPlan(tune_at=100, largest_cluster=20), 0
    for _ in range(60):
        sizes = np.where(generator.random(60) < 0.1, 20, 1)
        right = generator.random(60) < np.where(sizes > 1, 0.8, 0.3)
        x, groups = np.repeat(right.astype(float), sizes), np.repeat(range(60), sizes)
        ends = np.cumsum(sizes)[4::10]
        found = [confidence_sequence(x[:n], (0, 1), groups[:n], plan=plan) for n in ends]
        missed += any(not one.low <= mean <= one.high for one in found)
    assert missed / 60 <= 0.05


def test_clusters_of_several_sizes_need_the_largest_beforehand():
    x, groups = [0.0, 1.0, 1.0], ["a", "b", "b"]
    with pytest.raises(StatisticsError, match="clusters of 1 to 2 samples, and largest_cluster is missing"):
        confidence_sequence(x, (0, 1), groups)
    with pytest.raises(StatisticsError, match="a cluster has 2 samples, and largest_cluster is 1"):
        confidence_sequence(x, (0, 1), groups, plan=SamplingPlan(largest_cluster=1))
    assert confidence_sequence(x, (0, 1), groups, plan=SamplingPlan(largest_cluster=2)).n == 3


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


def test_a_plan_below_one_sample_is_refused():
    with pytest.raises(StatisticsError, match="tune_at is 0; it must be at least 1"):
        confidence_sequence([0.5], (0, 1), plan=SamplingPlan(tune_at=0))
