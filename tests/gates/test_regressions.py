"""`--baseline NAME`: whether a guarded metric got worse than what is blessed, and what does not compare with it."""

import dataclasses

import pytest

from harness import Mean
from harness.errors import EvaluationMissing, SuiteError
from harness.store.baselines import bless, read
from tests.hand_made import add, judged, measure

RIGHT = [1.0] * 80 + [0.0] * 20
LOSS = [2.0 + 0.01 * (i % 10) for i in range(100)]


def blessed(made, acc=RIGHT, loss=LOSS, record=None):
    """A baseline `main` of alpha, and alpha to be measured anew: with other weights under the same name."""
    before = add(made, "alpha")
    measure(made, before, "share", record=record, acc=acc, loss=loss)
    bless(made.store, "main", made.results.measured([before], made.suites.values()), None)
    made.baseline = read(made.store, "main")
    after = add(made, "alpha", version="2")
    return after


def verdicts(made, acc=RIGHT, loss=LOSS, record=None):
    after = blessed(made)
    measure(made, after, "share", record=record, acc=acc, loss=loss)
    return [made.judge.judge(gate) for gate in made.gates.of_all([after])]


def test_what_did_not_change_has_not_regressed(made):
    acc, loss = verdicts(made)
    assert (acc.verdict, loss.verdict) == ("pass", "pass")
    assert acc.gate == "alpha-mini-share-acc-regression"
    assert acc.kind == "regression"
    assert acc.reference == "baseline main"
    assert acc.claim == "share acc has not fallen by 0.1 or more since baseline main"
    assert loss.claim == "share loss has not risen by 0.2 or more since baseline main"


def test_a_fall_beyond_the_margin_fails_and_says_by_how_much(made):
    acc, loss = verdicts(made, acc=[1.0] * 40 + [0.0] * 60, loss=[x + 0.5 for x in LOSS])
    assert (acc.verdict, loss.verdict) == ("fail", "fail")
    assert acc.estimate == pytest.approx(-0.4)
    assert acc.level == 0.9
    assert acc.threshold == -0.1
    assert "It is lower by 0.1 or more: a regression." in acc.message
    assert "0.400 against 0.800 in baseline main" in acc.message
    assert "It is higher by 0.2 or more: a regression." in loss.message


def test_an_improvement_is_no_regression(made):
    acc, loss = verdicts(made, acc=[1.0] * 100, loss=[x - 0.5 for x in LOSS])
    assert (acc.verdict, loss.verdict) == ("pass", "pass")


def test_a_fall_about_the_margin_cannot_be_decided(made):
    acc, _ = verdicts(made, acc=[1.0] * 72 + [0.0] * 28)  # 8 of 100 lost, the margin is 10
    assert acc.verdict == "inconclusive"
    assert acc.samples_needed > 100
    assert "samples would decide" in acc.message


def test_the_verdict_is_the_one_sided_test(made):
    acc, _ = verdicts(made, acc=[1.0] * 78 + [0.0] * 22)
    assert acc.verdict == ("pass" if acc.p_value <= 0.05 else "inconclusive")
    assert (acc.low > -0.1) == (acc.p_value < 0.05)


def test_failures_alone_are_adjusted_for_the_number_of_guarded_metrics(made):
    acc, loss = verdicts(made, acc=[1.0] * 60 + [0.0] * 40, loss=[x + 0.5 for x in LOSS])
    assert acc.family == loss.family == 2
    assert acc.p_adjusted == pytest.approx(max(1 - acc.p_value, 2 * min(1 - acc.p_value, 1 - loss.p_value)), abs=1e-9)


def test_the_very_same_evaluation_has_not_regressed_however_few_its_samples(made):
    alpha = add(made, "alpha")
    measure(made, alpha, "share", acc=[1.0, 0.0, 1.0], loss=[1.0, 2.0, 3.0])
    bless(made.store, "main", made.results.measured([alpha], made.suites.values()), None)
    made.baseline = read(made.store, "main")
    acc, loss = (made.judge.judge(gate) for gate in made.gates.of_all([alpha]))
    assert (acc.verdict, loss.verdict) == ("pass", "pass")
    assert "the very same evaluation" in acc.method


def test_identical_copies_raise_no_alarm_more_often_than_promised(made):
    """The whole gate, on pairs of models that are equally good and disagree on three answers of ten."""
    import numpy as np

    from harness.statistics import non_inferior

    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        which = generator.random(200)
        ours, theirs = np.where(which < 0.15, 1.0, 0.0), np.where(which > 0.85, 1.0, 0.0)
        alarms += non_inferior(ours, theirs, 0.02).high < -0.02
    assert alarms / 1000 <= 0.05


# ---- what does not compare ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"tokenizer": "a" * 64}, {"tokenizer": "b" * 64}, "the tokenizer differs (aaaaaaaa there, bbbbbbbb here)"),
        ({"chat_template": "a"}, {"chat_template": "b"}, "the chat template differs (a there, b here)"),
        ({"prompt_digest": "a"}, {"prompt_digest": "b"}, "the prompt differs (a there, b here)"),
    ],
)
def test_another_tokenizer_template_or_prompt_is_an_error_that_says_which(made, before, after, told):
    subject = blessed(made, record=before)
    measure(made, subject, "share", record=after, acc=RIGHT, loss=LOSS)
    with pytest.raises(SuiteError) as error:
        judged(made, subject)
    assert "baseline main does not compare with alpha-mini" in error.value.problem
    assert told in error.value.problem
    assert "harness baseline set main" in error.value.remedy


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"system_prompt": "Be brief."}, "system_prompt (None there, Be brief. here)"),
        ({"metrics": [Mean("acc", (0, 2)), Mean("loss")]}, "metrics[0].bounds[1] (1 there, 2 here)"),
    ],
)
def test_another_version_of_the_suite_is_an_error_that_says_what_changed(made, change, told):
    subject = blessed(made)
    made.suites["share"] = dataclasses.replace(made.suites["share"], **change)
    measure(made, subject, "share", acc=RIGHT, loss=LOSS)
    with pytest.raises(SuiteError) as error:
        judged(made, subject)
    assert f"suite share has changed in {told}" in error.value.problem


def test_a_subject_that_the_baseline_does_not_hold_is_skipped_with_the_command(made):
    blessed(made)
    beta = add(made, "beta")
    measure(made, beta, "share", acc=RIGHT, loss=LOSS)
    found = judged(made, beta)
    assert found.verdict == "skipped"
    assert found.message == "baseline main holds no share of beta-mini; add it: harness baseline set main"


def test_an_evaluation_that_the_store_has_lost_is_told(made):
    subject = blessed(made)
    measure(made, subject, "share", acc=RIGHT, loss=LOSS)
    [key] = made.baseline.keys
    made.store.discard([key])
    with pytest.raises(EvaluationMissing, match=f"the store lacks evaluation {key[:8]}"):
        judged(made, subject)
