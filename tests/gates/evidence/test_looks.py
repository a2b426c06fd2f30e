"""The interval of a comparison, and what it pays for having been looked at while it grew."""

import pytest

from harness import Mean, Ratio
from harness.errors import SuiteError
from harness.gates.evidence.looks import ALPHA, EARLY, Comparison, interval_of
from harness.statistics import SamplingPlan
from tests.gates.evidence.by_hand import evaluation, scored

RULE = {"early": EARLY}
BOUNDED = Mean("x", (0, 1))
RIGHT = [1.0] * 70 + [0.0] * 10  # in an order drawn: one wrong in every eight
DRAWN = [RIGHT[(i * 37) % 80] for i in range(80)]


def compared(metric=BOUNDED, scores=DRAWN, against=0.5):
    return Comparison(metric, [{"x": x, "n": 1.0} for x in scores], None, [None] * len(scores), against)


def side(scores=DRAWN, metric=BOUNDED, **more):
    return evaluation(scored(x=scores, n=[1.0] * len(scores)), metrics=[metric], **more)


def test_what_was_measured_at_once_has_the_ordinary_interval():
    assert interval_of(compared(), [side()]) == BOUNDED.interval([{"x": x} for x in DRAWN], None, 1 - ALPHA, 0.5)


def test_what_was_stopped_early_has_a_confidence_sequence_alone():
    found = interval_of(compared(), [side(rule=RULE, available=200)])
    plan = SamplingPlan(tune_at=100, largest_cluster=None)
    rows = [{"x": x} for x in DRAWN]
    sequence = BOUNDED.sequence(rows, None, None, 1 - ALPHA * EARLY, 0.5, plan)
    assert (found.low, found.high) == (sequence.low, sequence.high)
    assert found.p_value == pytest.approx(min(1.0, sequence.p_value / EARLY))
    assert found.level == 1 - ALPHA, "the level that the two together keep"
    assert "confidence sequence" in found.method


def test_of_a_suite_measured_whole_under_looks_either_interval_may_decide():
    found = interval_of(compared(), [side(rule=RULE)])
    ordinary = BOUNDED.interval([{"x": x} for x in DRAWN], None, 1 - ALPHA * (1 - EARLY), 0.5)
    assert (found.low, found.high) == (ordinary.low, ordinary.high), "narrower at the end than the sequence"
    assert found.p_value == pytest.approx(ordinary.p_value / (1 - EARLY))
    assert "; or " in found.method


def test_looks_cost_width():
    plain, looked_at = interval_of(compared(), [side()]), interval_of(compared(), [side(rule=RULE)])
    assert looked_at.low < plain.low
    assert looked_at.high > plain.high


def test_the_side_that_was_looked_at_may_be_either():
    other = side(scores=[0.0] * 80)
    pairs = Comparison(BOUNDED, [{"x": x} for x in DRAWN], [{"x": 0.0}] * 80, [None] * 80, 0.0)
    looked_at = side(rule=RULE, available=200)
    assert interval_of(pairs, [looked_at, other]) == interval_of(pairs, [other, looked_at])


@pytest.mark.parametrize("metric", [Mean("x"), Ratio("x", "x", "n")], ids=["no bounds", "of the corpus"])
def test_a_metric_that_can_only_be_judged_on_all_samples_is_refused_where_some_were_spared(metric):
    with pytest.raises(
        SuiteError, match=r"stopped it after 80 of 200 samples, and 'x' can only be judged on all"
    ) as error:
        interval_of(compared(metric), [side(metric=metric, rule=RULE, available=200)])
    assert error.value.remedy == "Run without --adaptive."


def test_a_metric_without_bounds_keeps_its_share_of_the_error_rate_where_all_were_asked():
    found = interval_of(compared(Mean("x")), [side(metric=Mean("x"), rule=RULE)])
    ordinary = Mean("x").interval([{"x": x} for x in DRAWN], None, 1 - ALPHA * (1 - EARLY), 0.5)
    assert (found.low, found.high) == (ordinary.low, ordinary.high)


def test_another_level_is_shared_in_the_same_proportion():
    found = interval_of(compared(), [side(rule=RULE)], level=0.9)
    ordinary = BOUNDED.interval([{"x": x} for x in DRAWN], None, 1 - 0.1 * (1 - EARLY), 0.5)
    assert (found.low, found.high, found.level) == (ordinary.low, ordinary.high, 0.9)
