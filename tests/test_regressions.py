"""Baselines: what is blessed, and whether a guarded metric got worse than that."""

import dataclasses
import json

import pytest

from harness import Guard, Mean, Suite
from harness.store.baselines import all_of, bless, read
from harness.errors import EvaluationMissing, HarnessError, StoreError, SuiteError
from harness.gates.gate import all_gates, judge
from tests.hand_made import add, judged, measure

RIGHT = [1.0] * 80 + [0.0] * 20
LOSS = [2.0 + 0.01 * (i % 10) for i in range(100)]


def blessed(bench, acc=RIGHT, loss=LOSS, record=None):
    """A baseline `main` of alpha, and alpha to be measured anew: with other weights under the same name."""
    before = add(bench, "alpha")
    measure(bench, before, "share", record=record, acc=acc, loss=loss)
    bless(bench.store.root, "main", bench.measured([before]), None)
    bench.baseline = read(bench.store.root, "main")
    after = add(bench, "alpha", version="2")
    return after


def verdicts(bench, acc=RIGHT, loss=LOSS, record=None):
    after = blessed(bench)
    measure(bench, after, "share", record=record, acc=acc, loss=loss)
    return [judge(bench, gate) for gate in all_gates(bench, [after])]


def test_what_did_not_change_has_not_regressed(bench):
    acc, loss = verdicts(bench)
    assert (acc.verdict, loss.verdict) == ("pass", "pass")
    assert acc.gate == "alpha-mini-share-acc-regression"
    assert acc.kind == "regression"
    assert acc.reference == "baseline main"
    assert acc.claim == "share acc has not fallen by 0.1 or more since baseline main"
    assert loss.claim == "share loss has not risen by 0.2 or more since baseline main"


def test_a_fall_beyond_the_margin_fails_and_says_by_how_much(bench):
    acc, loss = verdicts(bench, acc=[1.0] * 40 + [0.0] * 60, loss=[x + 0.5 for x in LOSS])
    assert (acc.verdict, loss.verdict) == ("fail", "fail")
    assert acc.estimate == pytest.approx(-0.4)
    assert acc.level == 0.9
    assert acc.threshold == -0.1
    assert "It is lower by 0.1 or more: a regression." in acc.message
    assert "0.400 against 0.800 in baseline main" in acc.message
    assert "It is higher by 0.2 or more: a regression." in loss.message


def test_an_improvement_is_no_regression(bench):
    acc, loss = verdicts(bench, acc=[1.0] * 100, loss=[x - 0.5 for x in LOSS])
    assert (acc.verdict, loss.verdict) == ("pass", "pass")


def test_a_fall_about_the_margin_cannot_be_decided(bench):
    acc, _ = verdicts(bench, acc=[1.0] * 72 + [0.0] * 28)  # 8 of 100 lost, the margin is 10
    assert acc.verdict == "inconclusive"
    assert acc.samples_needed > 100
    assert "samples would decide" in acc.message


def test_the_verdict_is_the_one_sided_test(bench):
    acc, _ = verdicts(bench, acc=[1.0] * 78 + [0.0] * 22)
    assert acc.verdict == ("pass" if acc.p_value <= 0.05 else "inconclusive")
    assert (acc.low > -0.1) == (acc.p_value < 0.05)


def test_failures_alone_are_adjusted_for_the_number_of_guarded_metrics(bench):
    acc, loss = verdicts(bench, acc=[1.0] * 60 + [0.0] * 40, loss=[x + 0.5 for x in LOSS])
    assert acc.family == loss.family == 2
    assert acc.p_adjusted == pytest.approx(max(1 - acc.p_value, 2 * min(1 - acc.p_value, 1 - loss.p_value)), abs=1e-9)


def test_the_very_same_evaluation_has_not_regressed_however_few_its_samples(bench):
    alpha = add(bench, "alpha")
    measure(bench, alpha, "share", acc=[1.0, 0.0, 1.0], loss=[1.0, 2.0, 3.0])
    bless(bench.store.root, "main", bench.measured([alpha]), None)
    bench.baseline = read(bench.store.root, "main")
    acc, loss = (judge(bench, gate) for gate in all_gates(bench, [alpha]))
    assert (acc.verdict, loss.verdict) == ("pass", "pass")
    assert "the very same evaluation" in acc.method


def test_identical_copies_raise_no_alarm_more_often_than_promised(bench):
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
def test_another_tokenizer_template_or_prompt_is_an_error_that_says_which(bench, before, after, told):
    subject = blessed(bench, record=before)
    measure(bench, subject, "share", record=after, acc=RIGHT, loss=LOSS)
    with pytest.raises(SuiteError) as error:
        judged(bench, subject)
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
def test_another_version_of_the_suite_is_an_error_that_says_what_changed(bench, change, told):
    subject = blessed(bench)
    bench.suites["share"] = dataclasses.replace(bench.suites["share"], **change)
    measure(bench, subject, "share", acc=RIGHT, loss=LOSS)
    with pytest.raises(SuiteError) as error:
        judged(bench, subject)
    assert f"suite share has changed in {told}" in error.value.problem


def test_a_subject_that_the_baseline_does_not_hold_is_skipped_with_the_command(bench):
    blessed(bench)
    beta = add(bench, "beta")
    measure(bench, beta, "share", acc=RIGHT, loss=LOSS)
    found = judged(bench, beta)
    assert found.verdict == "skipped"
    assert found.message == "baseline main holds no share of beta-mini; add it: harness baseline set main"


def test_an_evaluation_that_the_store_has_lost_is_told(bench):
    subject = blessed(bench)
    measure(bench, subject, "share", acc=RIGHT, loss=LOSS)
    [key] = bench.baseline.keys
    bench.store.remove("evaluations", key)
    with pytest.raises(EvaluationMissing, match=f"the store lacks evaluation {key[:8]}"):
        judged(bench, subject)


# ---- the file of a baseline ---------------------------------------------------------------------------


def test_blessing_again_replaces_the_subjects_named_and_keeps_the_others(bench):
    alpha, beta = add(bench, "alpha"), add(bench, "beta")
    for subject in (alpha, beta):
        measure(bench, subject, "share", acc=RIGHT, loss=LOSS)
    bless(bench.store.root, "main", bench.measured([alpha, beta]), None)
    first = read(bench.store.root, "main")
    again = bless(bench.store.root, "main", bench.measured([alpha]), None)
    assert set(first.evaluations) == set(again.evaluations) == {"alpha-mini", "beta-mini"}
    assert [one.name for one in all_of(bench.store.root)] == ["main"]


def test_nothing_measured_is_nothing_to_bless(bench):
    assert bench.measured([add(bench, "alpha")]) == {}


def test_a_baseline_that_is_not_there_names_those_that_are(bench):
    blessed(bench)
    with pytest.raises(StoreError, match=r"no baseline 'mian' .*\(there: main\)") as error:
        read(bench.store.root, "mian")
    assert error.value.remedy == "Set it: harness baseline set mian"


def test_a_name_that_is_no_files_is_refused(bench):
    with pytest.raises(HarnessError, match="letters, digits, dots"):
        bless(bench.store.root, "../main", {}, None)


def test_a_damaged_baseline_is_told(bench):
    blessed(bench)
    path = bench.store.root / "baselines" / "main.json"
    path.write_text(json.dumps({"name": "main"}))
    with pytest.raises(StoreError, match="is not a baseline"):
        read(bench.store.root, "main")


# ---- guards -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margins", "told"),
    [
        ({}, "either may_fall or may_rise"),
        ({"may_fall": 0.1, "may_rise": 0.1}, "either may_fall or may_rise"),
        ({"may_fall": 0.0}, "the margin is 0"),
        ({"may_rise": -0.1}, "the margin is -0.1; it must be a positive number"),
        ({"may_fall": float("nan")}, "the margin is nan"),
    ],
)
def test_a_margin_of_the_wrong_sign_is_refused_where_it_is_declared(margins, told):
    with pytest.raises(SuiteError, match=told):
        Guard("acc", **margins)


@pytest.mark.parametrize(
    ("guards", "told"),
    [
        (["acc", "acc"], "'acc' is guarded twice"),
        (["accuracy"], "guards 'accuracy', and its metrics are acc, loss"),
    ],
)
def test_a_misspelt_or_repeated_guard_is_refused_at_collection(bench, guards, told):
    suite: Suite = bench.suites["share"]
    with pytest.raises(SuiteError, match=told):
        dataclasses.replace(suite, guards=[Guard(name, may_fall=0.1) for name in guards])
