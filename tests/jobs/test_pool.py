"""All workers of a session: kept warm from one checkpoint to the next, let go, stopped together."""

import time

import pytest
from filelock import FileLock

from harness.errors import WorkerFailed
from harness.jobs.pool import WorkerPool
from tests.measuring import write_request
from tests.worker_modules import folder_that


@pytest.fixture
def pool():
    """A pool that is stopped with the test."""
    pool = WorkerPool()
    yield pool
    pool.stop()
    pool.let_go()


def test_stopping_ends_what_runs_and_what_is_started_from_now_on(pool, worker_module, tmp_path):
    running = pool.run(worker_module, folder_that("stops", tmp_path / "running"), "cpu", "one-mini")
    while not (running.folder / "began").exists():
        time.sleep(0.02)
    pool.stop()
    late = pool.run(worker_module, folder_that("lasts", tmp_path / "late"), "cpu", "two-mini")
    with pytest.raises(WorkerFailed, match="one-mini was stopped on request"):
        running.wait()
    with pytest.raises(WorkerFailed, match="two-mini: the worker was ended by SIGTERM"):
        late.wait()


def test_one_model_worker_serves_one_checkpoint_after_the_other_and_a_second_job_gets_its_own(pool, places, tmp_path):
    folders = [write_request(tmp_path / "measuring" / str(i), places["base"]) for i in range(4)]
    with FileLock(folders[0] / "worker.lock"):  # which keeps the first one busy
        busy = pool.ask_model(folders[0], "cpu", "first")
        other = pool.ask_model(folders[1], "cpu", "second")
        assert other.process is not busy.process
        other.wait()
        again = pool.ask_model(folders[2], "cpu", "third")
        assert again.process is other.process
        again.wait()
        pool.let_go("cpu")  # those that wait for work
        assert other.process.poll() is not None
        assert busy.running()
    busy.wait()
    fresh = pool.ask_model(folders[3], "cpu", "fourth")
    assert fresh.process is busy.process
    fresh.wait()
    pool.let_go()
    assert fresh.process.poll() is not None


def test_a_model_worker_that_died_is_not_asked_again(pool, places, tmp_path):
    first = pool.ask_model(write_request(tmp_path / "measuring" / "one", places["base"]), "cpu", "first")
    first.wait()
    first.process.kill()
    first.process.wait()
    second = pool.ask_model(write_request(tmp_path / "measuring" / "two", places["base"]), "cpu", "second")
    assert second.process is not first.process
    second.wait()


def test_a_training_on_a_gpu_has_it_for_itself(pool, places, worker_module, tmp_path):
    idle = {}
    for device in ("cuda:0", "cuda:1", "cpu"):  # the request itself asks for the processor
        asked = pool.ask_model(write_request(tmp_path / "measuring" / device, places["base"]), device, device)
        asked.wait()
        idle[device] = asked.process
    pool.run(worker_module, folder_that("ends well", tmp_path / "a"), "cpu", "on the processor").wait()
    assert [process.poll() for process in idle.values()] == [None, None, None]
    pool.run(worker_module, folder_that("ends well", tmp_path / "b"), "cuda:0", "on the GPU").wait()
    assert idle["cuda:0"].poll() is not None
    assert [idle[device].poll() for device in ("cuda:1", "cpu")] == [None, None]
