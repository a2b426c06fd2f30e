"""A worker's first and last steps, each in a process of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from harness.worker.child import ERROR, INTERRUPTED, leave
from harness.worker.messages import WorkerError, receive
from tests.projects import environment

WORKER = """
import sys, time
from pathlib import Path
from harness.errors import DataError
from harness.worker.child import alone_in, end_with_the_session, work_in

folder, does = Path(sys.argv[1]), sys.argv[2]

def work():
    (folder / "began").touch()
    if does == "is wrong":
        raise DataError("row 3 is odd.", "Mend it.")
    if does == "is a bug":
        raise ZeroDivisionError("a bug")
    if does == "lasts":
        time.sleep(120)
    return 75 if does == "stops" else 0

if does == "stays warm":
    end_with_the_session()
    lock = alone_in(folder)
    (folder / "began").touch()
    time.sleep(120)
sys.exit(work_in(folder, work))
"""
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
time.sleep(120)
"""


def start(folder, does):
    command = [sys.executable, "-c", WORKER, str(folder), does]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process):
    """Exit status and output."""
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def wait_for(path: Path, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


@pytest.mark.parametrize(("does", "status"), [("is done", 0), ("stops", INTERRUPTED)])
def test_a_worker_ends_as_its_work_says(tmp_path, does, status):
    assert end(start(tmp_path, does)) == (status, "")
    assert not (tmp_path / ERROR).exists()


def test_a_worker_leaves_its_error_and_ends_with_status_1(tmp_path):
    status, output = end(start(tmp_path, "is wrong"))
    assert (status, output) == (1, "DataError: row 3 is odd.\n    Mend it.\n")
    assert receive(tmp_path / ERROR) == WorkerError("DataError", "row 3 is odd.", "Mend it.")


def test_a_bug_is_a_traceback_and_no_error_of_the_harness(tmp_path):
    status, output = end(start(tmp_path, "is a bug"))
    assert status == 1
    assert "ZeroDivisionError: a bug" in output
    assert not (tmp_path / ERROR).exists()


def test_a_worker_waits_until_an_earlier_one_has_left_the_folder(tmp_path):
    with FileLock(tmp_path / "worker.lock"):
        process = start(tmp_path, "is done")
        time.sleep(1.5)
        assert process.poll() is None
        assert not (tmp_path / "began").exists()
    assert end(process) == (0, "")
    assert (tmp_path / "began").exists()


@pytest.mark.parametrize("does", ["is done", "is wrong", "is a bug"])
def test_the_folder_is_free_after_a_worker_however_it_ended(tmp_path, does):
    end(start(tmp_path, does))
    FileLock(tmp_path / "worker.lock").acquire(timeout=0)


@pytest.mark.parametrize("does", ["lasts", "stays warm"])
def test_a_worker_ends_when_its_parent_is_killed(tmp_path, does):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WORKER, str(tmp_path), does], env=environment())
    try:
        wait_for(tmp_path / "began")
        with pytest.raises(Timeout):
            FileLock(tmp_path / "worker.lock").acquire(timeout=0)  # it is in its folder
    finally:
        parent.kill()
        parent.wait()
    FileLock(tmp_path / "worker.lock").acquire(timeout=20)  # which a process holds as long as it lives


def test_an_error_is_left_whole(tmp_path):
    leave(tmp_path, WorkerError("StoreError", "é", ""))
    assert json.loads((tmp_path / ERROR).read_text())["problem"] == "é"
    assert [path.name for path in tmp_path.iterdir()] == [ERROR]
