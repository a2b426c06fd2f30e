"""The state of a session without any training: what it wants, which jobs it finds missing, what tests get from it."""

import threading

import pytest

from harness import Claim
from harness.errors import CheckpointMissing, DataError, EvaluationMissing, NotOffered
from harness.gates.gate import gates_of
from harness.jobs.events import Measured, MeasuringFailed, Note, StoppedEarly, Trained
from harness.session.options import Options
from harness.session.run import Log, Run
from harness.session.selection import Selection
from harness.session.setup import Setup
from tests.hand_made import add, measure


def run(made, **options):
    options = Options("mini", **{"train": False, **options})
    return Run(Setup(made.project, made.store, options, made.keys, made.baseline))


def selection(*subjects, suites=(), gates=()):
    return Selection(list(subjects), [(suite, subject) for suite in suites for subject in subjects], list(gates))


# ---- the log ------------------------------------------------------------------------------------------


def test_the_log_keeps_each_kind_of_event_apart_and_each_note_once():
    log, error = Log(), DataError("x is wrong.")
    stopped = StoppedEarly("a tone", 10, 20)
    for event in [Trained("a"), Measured("k1", "a tone"), MeasuringFailed("k2", error), stopped, Note("n"), Note("n")]:
        log.add(event)
    assert (log.trained, log.measured, log.failed) == (["a"], ["a tone"], {"k2": error})
    assert (log.stopped_early, log.notes) == ([stopped], ["n"])


def test_whoever_waits_for_an_event_is_woken():
    log, woken = Log(), threading.Event()

    def wait():
        with log.changed:
            log.changed.wait_for(lambda: log.trained, timeout=20)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    log.add(Trained("a"))
    thread.join(timeout=20)
    assert woken.is_set()


# ---- what is wanted ---------------------------------------------------------------------------------


def test_a_gate_wants_its_own_side_and_the_reference_that_needs_no_other_training(made):
    alpha = add(made, "alpha", claims=[Claim("tone", "x", lower_than="beta")])
    beta = add(made, "beta")
    wanted = run(made).wanted(selection(alpha, gates=gates_of(alpha)))
    assert [(p.suite.name, p.subject.id) for p in wanted.evaluations] == [("tone", alpha.id)]
    assert [(p.suite.name, p.subject.id) for p in wanted.references] == [("tone", beta.id)]  # a model as it is


def test_the_untrained_model_is_measured_beside_every_suite_with_floors(made):
    alpha = add(made, "alpha")
    quiz, tone = made.suites["quiz"], made.suites["tone"]
    wanted = run(made).wanted(selection(alpha, suites=[quiz, tone]))
    assert [(p.suite.name, p.subject.id) for p in wanted.references] == [("quiz", "untrained-mini_alpha")]


def test_no_jobs_are_planned_where_nothing_may_be_trained(made):
    alpha = add(made, "alpha")
    session = run(made)
    session.plan(session.wanted(selection(alpha, suites=[made.suites["tone"]])))
    assert session.jobs.in_order == []
    session.start()  # and nothing is started
    assert session.has_ended()
    session.stop()


# ---- what tests get -----------------------------------------------------------------------------------


def test_a_stored_evaluation_is_given_without_waiting(made):
    alpha = add(made, "alpha")
    measure(made, alpha, x=[0.0, 1.0])
    session = run(made)
    assert session.is_measured(made.suites["tone"], alpha)
    assert session.evaluation(made.suites["tone"], alpha)["x"] == 0.5


def test_what_is_missing_is_an_error_that_says_so(made):
    alpha = add(made, "alpha")
    with pytest.raises(EvaluationMissing, match="alpha-mini"):
        run(made).evaluation(made.suites["tone"], alpha)


def test_an_error_met_in_measuring_is_raised_where_the_test_asks(made):
    alpha = add(made, "alpha")
    session, tone = run(made), made.suites["tone"]
    session.log.add(MeasuringFailed(session.results.planned(tone, alpha).key, DataError("row 3 is wrong.")))
    assert session.is_measured(tone, alpha)
    with pytest.raises(DataError, match="row 3 is wrong"):
        session.evaluation(tone, alpha)


def test_a_verdict_is_judged_on_stored_scores_and_skipped_without_them(made):
    alpha = add(made, "alpha", claims=[Claim("tone", "x", above=0.2), Claim("quiz", "x", above=0.2)])
    measure(made, alpha, x=[0.5, 0.6] * 20)
    session = run(made)
    tone, quiz = gates_of(alpha)
    assert session.can_judge(tone)
    assert session.verdict(tone).candidate == pytest.approx(0.55)
    assert session.verdict(quiz).verdict == "skipped"


def test_a_claim_on_what_a_server_does_not_offer_is_skipped_with_the_reason(made):
    alpha = add(made, "alpha", claims=[Claim("tone", "x", below=0.5)])
    [gate] = gates_of(alpha)
    session = run(made)
    key = session.results.planned(made.project.suite("tone"), alpha).key
    session.log.add(MeasuringFailed(key, NotOffered("http://host/v1 gives no log-likelihood.")))
    judged = session.verdict(gate)
    assert (judged.verdict, judged.message) == ("skipped", "http://host/v1 gives no log-likelihood.")


def test_a_checkpoint_that_may_not_be_trained_is_missing(made):
    from harness import Embedded, Finetune, Mix, Recipe, Variant
    from harness.data.sources import Dataset

    rows = Mix(Dataset(name="talk", mini=Embedded("instructions")).rows(mini=4))
    stage = Finetune(data=rows, learning_rate=1e-3, epochs=1, effective_batch_size=4, max_length=64)
    made.recipes["tuned"] = Recipe(
        name="tuned", stages=[stage], variants=[Variant("mini", base="org/alpha", scale="mini")]
    )
    with pytest.raises(CheckpointMissing, match=r"tuned-mini .*--no-train"):
        run(made).checkpoint(made.recipes["tuned"]["mini"])
