"""--adaptive: which suites may be stopped, in which order they are asked, and when their gates are decided."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from harness import Claim, Guard, Mean, Sample, Target
from harness.gates.stopping import batches, in_drawn_order, is_decided, stopping_rule
from harness.store.baselines import bless, read
from harness.gates.evidence import ALPHA
from harness.evaluation.evaluation import Evaluation, publish, unpublished
from tests.hand_made import add, judged, measure


@pytest.fixture
def adaptive(bench):
    bench.options = dataclasses.replace(bench.options, adaptive=True, train=True)
    bench.stopping_rule = partial(stopping_rule, bench)
    return bench


def rule(bench, subject, suite="share"):
    return stopping_rule(bench, bench.suite_named(suite), subject)


# ---- which suites -------------------------------------------------------------------------------------


def test_a_suite_with_bounded_claims_of_its_own_can_be_stopped(adaptive):
    found = rule(adaptive, add(adaptive, "alpha", [Claim("share", "acc", above=0.5)]))
    assert found["early"] == 0.2
    assert len(found["gates"]) == 1


@pytest.mark.parametrize(
    ("claims", "targets"),
    [
        ([], []),
        ([Claim("share", "loss", below=0.5)], []),  # a metric without bounds
        ([Claim("share", "acc", above=0.5), Claim("share", "loss", below=0.5)], []),
        ([], [Target("share", "acc", at_least=0.5, together_with=["tone"])]),  # two suites, judged as one
    ],
    ids=["no gates", "unbounded", "one of two unbounded", "together"],
)
def test_other_suites_are_measured_whole(adaptive, claims, targets):
    assert rule(adaptive, add(adaptive, "alpha", claims, targets)) is None


def test_what_others_compare_with_is_measured_whole(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta", [Claim("share", "acc", above=0.5)])
    assert rule(adaptive, alpha) is not None
    assert rule(adaptive, beta) is None


def test_the_rule_is_part_of_the_key(adaptive):
    suite = adaptive.suite_named("share")
    keys = set()
    for threshold in (0.4, 0.5):
        alpha = add(adaptive, "alpha", [Claim("share", "acc", above=threshold)])
        adaptive.chosen.clear()
        key, spec = adaptive.evaluation_spec(suite, alpha)
        assert spec["adaptive"]
        keys.add(key)
    whole = dataclasses.replace(adaptive.options, adaptive=False, train=True)
    adaptive.options = whole
    key, spec = adaptive.evaluation_spec(suite, alpha)
    assert "adaptive" not in spec
    assert len(keys | {key}) == 3


def test_what_may_be_stopped_waits_for_what_it_is_compared_with(adaptive, monkeypatch):
    """Else its gates could not be judged at any look. No job waits in a circle, whoever compares with whom."""
    from harness.jobs import missing as graph
    from harness.jobs.job import waits_for

    adaptive.options = dataclasses.replace(adaptive.options, train=True)
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta", [Claim("wide", "acc", higher_than="alpha")])
    share = adaptive.suite_named("share")
    adaptive.suites["wide"] = wide = dataclasses.replace(share, name="wide")
    wanted = [(suite, subject) for suite in (share, wide) for subject in (alpha, beta)]
    jobs = {job.name: job for job in graph.missing_jobs(adaptive, [], wanted, [])}
    ours, theirs = jobs["alpha-mini measuring"], jobs["beta-mini measuring"]
    assert waits_for(ours, theirs)
    assert not waits_for(theirs, ours)


# ---- in which order -----------------------------------------------------------------------------------


def test_samples_are_drawn_by_their_ids_alone(adaptive):
    samples = [Sample(id=f"s{i}", prompt="?") for i in range(100)]
    order = in_drawn_order(samples)
    assert sorted(order) == list(range(100))
    assert order != list(range(100))
    shuffled = samples[50:] + samples[:50]
    assert [shuffled[i].id for i in in_drawn_order(shuffled)] == [samples[i].id for i in order]


def test_no_cluster_is_cut_by_a_look():
    samples = [Sample(id=f"s{i}", prompt="?", cluster=f"c{i // 7}") for i in range(200)]
    drawn = [samples[i] for i in in_drawn_order(samples)]
    found = batches(drawn)
    assert [place for batch in found for place in batch] == list(range(200))
    assert 5 <= len(found) <= 10
    for batch in found[:-1]:
        assert drawn[batch.stop - 1].cluster != drawn[batch.stop].cluster


# ---- when it is decided -------------------------------------------------------------------------------


def decided(bench, alpha, right, of, n=400):
    """Whether the gates of alpha are decided after so many samples, so many of them right."""
    everything = [Sample(id=f"s{i:03}", prompt="?") for i in range(n)]
    answers = [{"scores": {"acc": float(i < right), "loss": 1.0}} for i in range(of)]
    suite = bench.suite_named("share")
    _, spec = bench.evaluation_spec(suite, alpha)
    so_far = unpublished(spec, suite, everything[:of], answers, {"subject": alpha.id}, everything)
    return is_decided(bench, suite, alpha, so_far)


def test_a_clear_claim_is_decided_early_either_way(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    assert decided(adaptive, alpha, right=78, of=80)
    assert decided(adaptive, alpha, right=2, of=80)
    assert not decided(adaptive, alpha, right=44, of=80)
    assert not decided(adaptive, alpha, right=10, of=10)


def test_every_gate_must_be_decided(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5), Claim("share", "acc", below=0.97)])
    assert not decided(adaptive, alpha, right=78, of=80)


def test_a_reference_that_is_not_measured_decides_nothing(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta")
    assert not decided(adaptive, alpha, right=200, of=200)
    samples = [Sample(id=f"s{i:03}", prompt="?") for i in range(400)]
    measure(adaptive, beta, "share", samples, acc=[0.0] * 400, loss=[1.0] * 400)
    assert decided(adaptive, alpha, right=200, of=200)


def publish_stopped(bench, alpha, scores, of):
    """The evaluation of alpha as --adaptive publishes it: the first `of` of all its scores."""
    everything = [Sample(id=f"s{i:03}", prompt="?") for i in range(len(scores))]
    suite = bench.suite_named("share")
    key, spec = bench.evaluation_spec(suite, alpha)
    answers = [{"scores": {"acc": float(score), "loss": 1.0}} for score in scores[:of]]
    record = {"subject": alpha.id, "scale": "mini", "environment": {}}
    bench.store.remove("evaluations", key)
    return publish(bench.store, key, spec, suite, everything[:of], answers, record, everything)


def test_a_stopped_evaluation_says_what_it_spared(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    found = publish_stopped(adaptive, alpha, [1] * 400, of=80)
    assert (found.scored, found.spared, found.available) == (400, 320, 400)
    assert isinstance(found, Evaluation)
    verdict = judged(adaptive, alpha)
    assert verdict.passed
    assert verdict.n == 80
    assert "confidence sequence" in verdict.method


def test_stopping_early_raises_no_more_false_alarms(adaptive):
    """A model that is right half of the time claims more: looks after every 40 of 400 answers, 300 times."""
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    acc = Mean("acc", (0, 1))
    generator = np.random.default_rng(1)
    alarms = naive = 0
    for _ in range(300):
        scores = generator.random(400) < 0.5
        plain = [acc.interval([{"acc": float(s)} for s in scores[:n]], None) for n in range(40, 401, 40)]
        naive += any(one.low > 0.5 or one.high < 0.5 for one in plain)
        n = next((n for n in range(40, 400, 40) if _is_clear(scores[:n])), 400)
        publish_stopped(adaptive, alpha, scores, of=n)
        alarms += judged(adaptive, alpha).verdict != "inconclusive"
    assert alarms / 300 <= ALPHA + 0.025
    assert naive / 300 > 0.12, "what would happen without"


def _is_clear(scores):
    from harness.statistics import confidence_sequence

    one = confidence_sequence([float(s) for s in scores], (0, 1), level=1 - 0.2 * ALPHA, tune_at=200)
    return not one.low <= 0.5 <= one.high


# ---- what becomes of them -----------------------------------------------------------------------------


def without_measuring(bench):
    """The same store in a session that only judges."""
    bench.options = dataclasses.replace(bench.options, adaptive=False, train=False)
    bench.chosen.clear()
    return bench


def measuring(bench):
    bench.options = dataclasses.replace(bench.options, adaptive=True, train=True)
    bench.chosen.clear()
    return bench


def test_what_was_stopped_is_found_again_by_whoever_only_judges(adaptive):
    """Whatever baseline the session had that stopped it: its guarded metrics are part of the rule."""
    measuring(adaptive)
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    stopped = publish_stopped(adaptive, alpha, [1] * 400, of=80)
    without_measuring(adaptive)
    bless(adaptive.store.root, "main", adaptive.measured([alpha]), None)
    adaptive.baseline = read(adaptive.store.root, "main")
    assert adaptive.baseline.evaluations["alpha-mini"]["share"] == stopped.key
    measuring(adaptive)
    assert adaptive.evaluation_key(adaptive.suite_named("share"), alpha) != stopped.key, "another rule"
    without_measuring(adaptive)
    assert adaptive.evaluation_key(adaptive.suite_named("share"), alpha) == stopped.key


def test_blessing_some_suites_keeps_what_was_blessed_of_the_others(adaptive):
    without_measuring(adaptive)
    alpha = add(adaptive, "alpha")
    measure(adaptive, alpha, "share", acc=[1.0, 0.0] * 10, loss=[1.0, 2.0] * 10)
    bless(adaptive.store.root, "main", adaptive.measured([alpha]), None)
    adaptive.store.remove("evaluations", adaptive.evaluation_key(adaptive.suite_named("share"), alpha))
    adaptive.chosen.clear()
    measure(adaptive, alpha, "tone", x=[1.0, 0.0] * 10)
    bless(adaptive.store.root, "main", adaptive.measured([alpha]), None)
    assert set(read(adaptive.store.root, "main").evaluations["alpha-mini"]) == {"share", "tone"}


def test_a_whole_evaluation_is_preferred_and_reevaluated_as_such(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    without_measuring(adaptive)
    whole = measure(adaptive, alpha, "share", acc=[1.0, 0.0] * 200, loss=[1.0] * 400)
    measuring(adaptive)
    adaptive.again = {whole.key}
    assert adaptive.evaluation_key(adaptive.suite_named("share"), alpha) == whole.key


def test_a_stopped_regression_check_tells_both_sides_over_the_samples_compared(adaptive):
    measuring(adaptive)
    samples = [Sample(id=f"s{i:03}", prompt="?") for i in range(400)]
    alpha = add(adaptive, "alpha")
    acc = [1.0] * 300 + [0.0] * 100
    measure(adaptive, alpha, "share", samples, acc=acc, loss=[1.0] * 400)
    bless(adaptive.store.root, "main", adaptive.measured([alpha]), None)
    adaptive.baseline = read(adaptive.store.root, "main")
    other = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)], version="2")
    adaptive.suites["share"] = dataclasses.replace(adaptive.suite_named("share"), guards=[Guard("acc", may_fall=0.1)])
    adaptive.chosen.clear()
    publish_stopped(adaptive, other, [1] * 400, of=240)
    found = judged(adaptive, other, 1)
    assert (found.candidate, found.baseline, found.estimate) == (1.0, 1.0, 0.0)
    assert found.n == 240


def test_two_recipes_of_the_same_weights_are_each_stopped_by_their_own_gates(adaptive):
    suite = adaptive.suite_named("share")
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    twin = add(adaptive, "twin", [Claim("share", "acc", above=0.5)])
    variant = dataclasses.replace(adaptive.recipes["alpha"].variants[0])
    adaptive.recipes["twin"] = dataclasses.replace(adaptive.recipes["twin"], variants=[variant])
    twin = adaptive.recipes["twin"]["mini"]
    assert adaptive.planner.fingerprint(alpha) == adaptive.planner.fingerprint(twin)
    rules = [stopping_rule(adaptive, suite, subject)["subject"] for subject in (alpha, twin)]
    assert rules == ["alpha-mini", "twin-mini"]
