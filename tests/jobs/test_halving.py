"""Successive halving: who goes on, by losses worked out by hand; and a session that stops the worse half."""

import json
import math

import duckdb
import pytest

from harness.errors import WorkerFailed
from harness.jobs.halving import RUNGS, Contest, LastJob, _look
from harness.jobs.job import Job
from tests.projects import run_harness, run_session, write_project

SETTINGS = {name: [name] for name in "abcde"}


def contest(*losses, settings=SETTINGS):
    found = Contest(settings)
    for rung, of_rung in enumerate(losses):
        for key, loss in of_rung.items():
            found.note(rung, key, loss)
    return found


def stopped(found, rung):
    return "".join(name for name in found.settings if not found.goes_on(rung, name))


def test_the_worse_half_goes_no_further_and_half_of_an_odd_number_is_rounded_down():
    found = contest({"a": 3.0, "b": 1.0, "c": 2.0, "d": 5.0, "e": 4.0}, {"a": 1.0, "b": 0.5, "c": 2.0})
    assert (stopped(found, 0), stopped(found, 1)) == ("de", "c")


def test_equal_losses_are_told_apart_by_name_and_a_loss_that_is_no_number_is_last():
    assert stopped(contest({"a": math.nan, "b": 1.0, "c": 1.0, "d": 1.0}), 0) == "ad"


def test_seeds_of_a_setting_go_on_together_by_their_mean():
    settings = {"low": ["l0", "l1"], "high": ["h0", "h1"], "middle": ["m0", "m1"], "half": ["x0", "x1"]}
    losses = {"l0": 1.0, "l1": 3.0, "h0": 0.5, "h1": 9.0, "m0": 2.5, "m1": 2.5, "x0": 0.1}
    found = contest(losses, settings=settings)
    assert found.compared(0) == ["low", "middle", "high"]  # of half one seed's loss is not there
    assert stopped(found, 0) == "high"


def test_what_has_no_loss_goes_on():
    assert stopped(contest({"a": 1.0, "b": 2.0}), 0) == "b"


def test_a_rung_is_a_look_in_its_quarter_of_the_steps():
    log = [{"step": 0, "steps": 15, "eval_loss": 9.0}, {"step": 2, "steps": 15, "loss": 1.0}]
    assert _look(log, RUNGS[0]) is None
    log += [{"step": 3, "steps": 15, "eval_loss": 5.0}, {"step": 7, "steps": 15, "eval_loss": 4.0}]
    assert [_look(log, looks) for looks in RUNGS] == [(3, 5.0), (7, 4.0)]
    assert _look([{"step": 15, "steps": 15, "eval_loss": 1.0}], RUNGS[1]) is None  # the last is of no rung


def test_a_training_that_fails_has_failed_and_is_not_called_stopped():
    failed = Job("k to rung 1", "k", "train", lambda job, device: None)
    failed.error = WorkerFailed("k: CUDA out of memory.")
    last = LastJob(None, contest({"b": 1.0, "c": 2.0}), "a", [failed])
    with pytest.raises(WorkerFailed, match="out of memory"):
        last(failed, "cpu")


# ---- a session ----------------------------------------------------------------------------------------

SWEEP = '''
"""Rates from far too low to high."""

from harness import Sweep
from recipes.tiny import PLAIN

RATES = Sweep(PLAIN, learning_rate=[1e-6, 1e-5, 1e-4, 2e-2], judged_by=("training", "held_out_loss"))
'''
SUITE = '''
"""The loss on held-out rows."""

from harness import Mean, Suite, TrainingRecord
from harness.scoring import loss_change

TRAINING = Suite(name="training", asks=[TrainingRecord()], scorer=loss_change,
                 metrics=[Mean("held_out_loss", better="lower"), Mean("held_out_loss_change", better="lower")])


def test_training(checkpoint, evaluate):
    assert evaluate(TRAINING, checkpoint).scored == 8
'''
SELECTED = ("-k", "plain and sweep and training", "--scale", "mini")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "recipes" / "rates.py").write_text(SWEEP.lstrip())
    (root / "suites" / "test_training.py").write_text(SUITE.lstrip())
    return root, *run_session(root, *SELECTED, "--adaptive")


def names(root):
    with duckdb.connect(str(root / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT setting, winner, score FROM sweeps QUALIFY run_id = max(run_id) OVER () ORDER BY place"
        ).fetchall()
    return {setting.split()[-1]: (winner, score) for setting, winner, score in rows}


def test_the_worse_half_is_stopped_at_each_rung_and_its_tests_are_skipped(session):
    root, status, said = session
    assert status == 0, said
    assert "1 passed, 3 skipped" in said
    assert said.count("was stopped early: loss on held-out rows") == 3
    assert said.count("after 1 of 4 parts, not among the better half of 4") == 2
    assert "after 2 of 4 parts, not among the better half of 2" in said
    assert {rate for rate, (_, score) in names(root).items() if score is not None} == {"0.02"}


def test_the_best_is_chosen_among_those_that_ended_and_what_was_stopped_is_said(session):
    root, *_ = session
    assert names(root)["0.02"][0]
    [found] = json.loads(run_harness(root, "sweep", "plain", "--scale", "mini", "--json").stdout)
    assert "learning_rate 0.02 is chosen" in found["conclusion"]
    assert "3 of 4 settings were left unfinished" in found["conclusion"]
    assert [bool(one["spared"]) for one in found["settings"]] == [True, True, True, False]


def test_a_second_session_trains_nothing_more(session):
    root, *_ = session
    logs = {path: path.read_text() for path in (root / ".bench" / "store" / "checkpoints").glob("*.partial/log.jsonl")}
    status, said = run_session(root, *SELECTED, "--adaptive")
    assert (status, len(logs)) == (0, 3)
    assert "1 passed, 3 skipped" in said
    assert all(path.read_text() == log for path, log in logs.items())


def test_judging_what_is_stored_skips_what_was_stopped(session):
    root, *_ = session
    status, said = run_session(root, *SELECTED, "--no-train")
    assert status == 0, said
    assert "1 passed, 3 skipped" in said


def test_what_another_test_needs_is_not_stopped(session, tmp_path):
    """`plain` at a rate that the sweep has as well: the same checkpoint, which its own test asks for."""
    root = write_project(tmp_path, learning_rate=1e-6)
    (root / "recipes" / "rates.py").write_text(SWEEP.lstrip())
    (root / "suites" / "test_training.py").write_text(SUITE.lstrip())
    status, said = run_session(
        root, "-k", "(plain or sweep) and training and not gate", "--scale", "mini", "--adaptive"
    )
    assert status == 0, said
    assert "3 passed, 2 skipped" in said  # the shared one twice, and the best of three others


def test_without_it_all_go_on_from_where_they_stopped_to_the_same_weights(session, tmp_path):
    root, *_ = session
    status, said = run_session(root, *SELECTED)
    assert status == 0, said
    assert "4 passed" in said
    assert names(root)["0.02"][0]
    elsewhere = write_project(tmp_path)
    (elsewhere / "recipes" / "rates.py").write_text(SWEEP.lstrip())
    (elsewhere / "suites" / "test_training.py").write_text(SUITE.lstrip())
    assert run_session(elsewhere, *SELECTED)[0] == 0
    assert weights(root) == weights(elsewhere)


def weights(root):
    """SHA-256 of every adapter's weights, by checkpoint."""
    found = {}
    for path in (root / ".bench" / "store" / "checkpoints").glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        for name, file in manifest["files"].items():
            if name.endswith(".safetensors"):
                found[manifest["key"], name] = file["sha256"]
    return found
