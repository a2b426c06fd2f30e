"""--adaptive: which suites may be stopped, when their gates are decided, and what becomes of those that were."""

import dataclasses

import numpy as np
import pytest

from harness import Claim, Guard, Mean, Sample, Target
from harness.evaluation import Evaluation
from harness.evaluation.asking.answers import Answered
from harness.evaluation.scored.publish import publish, unpublished
from harness.gates.evidence import ALPHA
from harness.gates.stopping import Decided, compared_with
from harness.statistics import SamplingPlan, confidence_sequence
from harness.store.baselines import bless, read
from tests.gates.alpha_and_beta import STAGES
from tests.hand_made import RECORD, add, judged, measure


@pytest.fixture
def adaptive(made):
    return measuring(made)


def measuring(made):
    """From now on a session under --adaptive."""
    made.adaptive, made.judging_only = True, False
    return made


def without_measuring(made):
    """From now on a session that only judges."""
    made.adaptive, made.judging_only = False, True
    return made


def rule(made, subject, suite="share"):
    return made.rules(made.project.suite(suite), subject)


def planned(made, subject, suite="share"):
    return made.results.planned(made.project.suite(suite), subject)


def bless_all(made, subject):
    """Bless what is measured of the subject, and compare with it from now on."""
    bless(made.store, "main", made.results.measured([subject], made.suites.values()), None)
    made.baseline = read(made.store, "main")


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


def test_with_several_training_seeds_every_suite_is_measured_whole(adaptive):
    adaptive.with_seeds(2)
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)], stages=STAGES)
    assert rule(adaptive, alpha) is None


def test_what_others_compare_with_is_measured_whole(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta", [Claim("share", "acc", above=0.5)])
    assert rule(adaptive, alpha) is not None
    assert rule(adaptive, beta) is None


def test_the_rule_names_the_whole_evaluations_that_it_compares_with(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta")
    suite = adaptive.project.suite("share")
    assert compared_with(adaptive.gates, suite, alpha) == [beta]
    assert rule(adaptive, alpha)["against"] == [adaptive.keys.evaluation(suite, beta).key]


def test_the_rule_is_part_of_the_key(adaptive):
    keys, answers = set(), set()
    for threshold in (0.4, 0.5):
        alpha = add(adaptive, "alpha", [Claim("share", "acc", above=threshold)])
        found = planned(adaptive, alpha)
        assert found.spec["adaptive"]
        keys.add(found.key)
        answers.add(found.answers_key)
    adaptive.adaptive = False
    whole = planned(adaptive, alpha)
    assert "adaptive" not in whole.spec
    assert len(keys | {whole.key}) == 3
    assert len(answers | {whole.answers_key}) == 3, "other samples may be asked"


# ---- when it is decided -------------------------------------------------------------------------------


def samples(n):
    return [Sample(id=f"s{i:03}", prompt="?") for i in range(n)]


def answered(scores, of):
    """The first `of` of all samples answered, with these scores."""
    everything = samples(len(scores))
    answers = [{"scores": {"acc": float(score), "loss": 1.0}} for score in scores[:of]]
    return Answered(everything[:of], answers, RECORD, everything)


def decided(made, alpha, right, of, n=400):
    """Whether the gates of alpha are decided after so many samples, so many of them right."""
    so_far = unpublished(planned(made, alpha), answered([i < right for i in range(n)], of))
    return Decided(made.judge)(made.project.suite("share"), alpha, so_far)


def test_a_clear_claim_is_decided_early_either_way(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    assert decided(adaptive, alpha, right=78, of=80)
    assert decided(adaptive, alpha, right=2, of=80)
    assert not decided(adaptive, alpha, right=44, of=80)
    assert not decided(adaptive, alpha, right=10, of=10)


def test_every_gate_must_be_decided(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5), Claim("share", "acc", below=0.97)])
    assert not decided(adaptive, alpha, right=78, of=80)


def test_equality_is_decided_by_the_first_sample_that_breaks_it_and_else_by_the_last(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", equals=1.0)])
    assert decided(adaptive, alpha, right=79, of=80)
    assert not decided(adaptive, alpha, right=400, of=399)


def test_a_reference_that_is_not_measured_decides_nothing(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(adaptive, "beta")
    assert not decided(adaptive, alpha, right=200, of=200)
    measure(adaptive, beta, "share", samples(400), acc=[0.0] * 400, loss=[1.0] * 400)
    assert decided(adaptive, alpha, right=200, of=200)


def publish_stopped(made, alpha, scores, of):
    """The evaluation of alpha as --adaptive publishes it: the first `of` of all its scores."""
    found = planned(made, alpha)
    made.store.discard([found.key])
    return publish(made.store, found, answered(scores, of))


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
    one = confidence_sequence([float(s) for s in scores], (0, 1), level=1 - 0.2 * ALPHA, plan=SamplingPlan(tune_at=200))
    return not one.low <= 0.5 <= one.high


# ---- what becomes of them -----------------------------------------------------------------------------


def test_what_was_stopped_is_found_again_by_whoever_only_judges(adaptive):
    """Whatever baseline the session had that stopped it: its guarded metrics are part of the rule."""
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    stopped = publish_stopped(adaptive, alpha, [1] * 400, of=80)
    bless_all(without_measuring(adaptive), alpha)
    assert adaptive.baseline.evaluations["alpha-mini"]["share"] == stopped.key
    assert planned(measuring(adaptive), alpha).key != stopped.key, "another rule"
    assert planned(without_measuring(adaptive), alpha).key == stopped.key


def test_blessing_some_suites_keeps_what_was_blessed_of_the_others(made):
    alpha = add(made, "alpha")
    share = measure(made, alpha, "share", acc=[1.0, 0.0] * 10, loss=[1.0, 2.0] * 10)
    bless_all(made, alpha)
    made.store.discard([share.key])
    measure(made, alpha, "tone", x=[1.0, 0.0] * 10)
    bless_all(made, alpha)
    assert set(read(made.store, "main").evaluations["alpha-mini"]) == {"share", "tone"}


def test_a_whole_evaluation_is_preferred_and_reevaluated_as_such(adaptive):
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    whole = measure(without_measuring(adaptive), alpha, "share", acc=[1.0, 0.0] * 200, loss=[1.0] * 400)
    results, suite = measuring(adaptive).results, adaptive.project.suite("share")
    assert results.planned(suite, alpha).key == whole.key
    adaptive.store.discard([whole.key])  # as --reevaluate does, before anything is measured
    assert results.planned(suite, alpha).key == whole.key


def test_a_stopped_regression_check_tells_both_sides_over_the_samples_compared(adaptive):
    alpha = add(adaptive, "alpha")
    acc = [1.0] * 300 + [0.0] * 100
    measure(adaptive, alpha, "share", samples(400), acc=acc, loss=[1.0] * 400)
    bless_all(adaptive, alpha)
    other = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)], version="2")
    share = dataclasses.replace(adaptive.project.suite("share"), guards=[Guard("acc", may_fall=0.1)])
    adaptive.suites["share"] = share
    publish_stopped(adaptive, other, [1] * 400, of=240)
    found = judged(adaptive, other, 1)
    assert (found.candidate, found.baseline, found.estimate) == (1.0, 1.0, 0.0)
    assert found.n == 240


def test_two_recipes_of_the_same_weights_are_each_stopped_by_their_own_gates(adaptive):
    suite = adaptive.project.suite("share")
    alpha = add(adaptive, "alpha", [Claim("share", "acc", above=0.5)])
    add(adaptive, "twin", [Claim("share", "acc", above=0.5)])
    variant = dataclasses.replace(adaptive.recipes["alpha"].variants[0])
    adaptive.recipes["twin"] = dataclasses.replace(adaptive.recipes["twin"], variants=[variant])
    twin = adaptive.recipes["twin"]["mini"]
    assert adaptive.keys.fingerprint(alpha) == adaptive.keys.fingerprint(twin)
    assert [adaptive.rules(suite, subject)["subject"] for subject in (alpha, twin)] == ["alpha-mini", "twin-mini"]
    assert planned(adaptive, alpha).key != planned(adaptive, twin).key
