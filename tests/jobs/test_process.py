"""Worker processes from the session's side: what they leave behind is raised again, under the job's name."""

import shutil
import time
from threading import Thread
from types import SimpleNamespace

import pytest

from harness.errors import DataError, StoreError, WorkerFailed
from harness.jobs.pool import MODEL_WORKER
from harness.jobs.process import WarmWorker, Worker
from harness.suite import Probe
from harness.worker.child import ENDED, ERROR
from harness.worker.messages import WorkerError, read_answers, send
from harness.worker.places import Directory
from tests.measuring import write_request
from tests.worker_modules import folder_that


def wait_for(path, seconds=30):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


# ---- a process for one folder -------------------------------------------------------------------------


@pytest.fixture
def run(worker_module, tmp_path):
    """Starts a worker that does something, on a device."""

    def run(does, device="cpu"):
        return Worker(worker_module, folder_that(does, tmp_path / "folder"), device, "plain-mini finetune")

    return run


def test_a_worker_that_ends_well_raises_nothing(run):
    worker = run("ends well")
    worker.wait()
    assert not worker.running()


def test_the_error_that_a_worker_left_is_raised_under_the_jobs_name(run):
    with pytest.raises(DataError) as raised:
        run("is wrong").wait()
    assert raised.value.problem == "plain-mini finetune: row 3 is odd."
    assert raised.value.remedy == "Mend it."


def test_an_error_left_by_an_earlier_worker_is_not_this_ones(worker_module, tmp_path):
    folder = folder_that("fails", tmp_path / "folder")
    send(folder / ERROR, WorkerError("DataError", "of yesterday", ""))
    with pytest.raises(WorkerFailed):
        Worker(worker_module, folder, "cpu", "plain-mini").wait()


def test_a_worker_that_fails_without_a_word_is_told_with_the_last_lines_of_its_log(run):
    with pytest.raises(WorkerFailed) as raised:
        run("fails").wait()
    problem = raised.value.problem
    assert problem.startswith("plain-mini finetune: the worker ended with exit status 3. Last lines of ")
    assert [line.strip() for line in problem.splitlines()[1:]] == [f"line {number}" for number in range(28, 40)]
    assert raised.value.remedy == "Run again: it continues from the last saved step."


def test_a_worker_that_was_killed_is_told_of_memory(run):
    with pytest.raises(WorkerFailed, match=r"was killed \(SIGKILL\); the system does that when memory runs out"):
        run("is killed").wait()


def test_a_worker_asked_to_stop_is_told_as_stopped_on_request(run):
    worker = run("stops")
    wait_for(worker.folder / "began")
    assert worker.running()
    worker.stop()
    with pytest.raises(WorkerFailed, match="plain-mini finetune was stopped on request"):
        worker.wait()
    worker.stop()  # no second time


def test_a_worker_that_knows_no_stopping_is_told_by_the_signal(run):
    worker = run("lasts")
    wait_for(worker.folder / "began")
    worker.stop()
    with pytest.raises(WorkerFailed, match="the worker was ended by SIGTERM"):
        worker.wait()


def test_a_worker_that_fails_on_a_full_disk_is_told_of_the_disk(run, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(StoreError, match="plain-mini finetune: writing below .*: the disk is full"):
        run("fails").wait()


@pytest.mark.parametrize(("device", "sees"), [("cpu", "''"), ("cuda:3", "'3'")])
def test_a_worker_sees_its_own_device_alone(run, monkeypatch, device, sees):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    worker = run("ends well", device)
    worker.wait()
    assert (worker.folder / "worker.log").read_text() == f"sees {sees}\n"


# ---- a process for one folder after the other ---------------------------------------------------------


@pytest.fixture
def warm():
    """A model worker, started by a thread that ends at once, as a job's does; ended with the test."""
    pytest.importorskip("torch")
    started = []
    starter = Thread(target=lambda: started.append(WarmWorker(MODEL_WORKER, "cpu")))
    starter.start()
    starter.join()
    yield started[0]
    started[0].close()


def test_one_worker_answers_one_checkpoint_after_the_other(places, warm, tmp_path):
    """A job's thread ends long before the worker does."""
    found = {}
    for name in ("one", "two"):
        asked = warm.ask(write_request(tmp_path / "measuring" / name, places[name]), name)
        asked.wait()
        assert warm.idle
        found[name] = read_answers(asked.folder / "k.json")
    assert warm.process.poll() is None
    warm.close()
    assert warm.process.poll() is not None
    assert found["one"].answers != found["two"].answers
    assert found["one"].record.engine == "tree"
    assert found["one"].record.prompt_digest == found["two"].record.prompt_digest


def test_a_request_that_fails_leaves_the_worker_ready_for_the_next(places, warm, tmp_path):
    nothing = Directory(str(tmp_path / "nothing"))
    broken = warm.ask(write_request(tmp_path / "measuring" / "broken", nothing), "broken-mini")
    with pytest.raises(StoreError, match="broken-mini: model .*nothing cannot be loaded"):
        broken.wait()
    sound = warm.ask(write_request(tmp_path / "measuring" / "sound", places["base"]), "sound-mini")
    sound.wait()
    assert (sound.folder / "k.json").exists()


def test_an_error_that_nobody_foresaw_ends_the_process_with_its_request(places, warm, tmp_path):
    """After a CUDA assertion every later call in that process fails; the next checkpoint gets a fresh one."""
    asks = {"k": (Probe(dtypes=("float31",)),)}
    asked = warm.ask(write_request(tmp_path / "measuring" / "odd", places["base"], asks), "odd-mini")
    asked.wait()
    assert read_answers(asked.folder / "k.json").kind == "WorkerFailed"
    assert warm.process.poll() == 0
    assert not warm.idle


def test_a_request_whose_worker_died_is_told_by_how_it_died(places, warm, tmp_path):
    folder = write_request(tmp_path / "measuring" / "one", places["base"])
    (folder / ENDED).write_text("0")  # of an earlier session
    warm.process.kill()
    warm.process.wait()
    asked = warm.ask(folder, "one-mini")
    with pytest.raises(WorkerFailed, match="one-mini: the worker was killed"):
        asked.wait()
