"""A GPU is one session's at a time: another waits, says for whom, and goes on when that one ends, however it ends."""

import subprocess
import sys
import threading

import pytest

from harness.errors import StoreError
from harness.jobs.executor import Executor
from harness.jobs.job import Job
from harness.jobs.leases import Leases, identity
from tests.projects import environment

SOON = 10.0
OTHER = """
import sys
from pathlib import Path
from harness.jobs.leases import Leases
leases = Leases(Path(sys.argv[1]))
leases.take("cuda:0", "their job", print, lambda: False)
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_nvidia_smi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def other(tmp_path):
    """Another session, which has the GPU."""
    command = [sys.executable, "-c", OTHER, str(tmp_path / "gpus")]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment()) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_a_gpu_that_another_session_uses_is_waited_for(other, tmp_path):
    told, leases, ended = [], Leases(tmp_path / "gpus"), threading.Event()
    job = Job("mine", "mine", "train", lambda job, device: ended.set())

    def look(holder):
        told.append(holder)
        other.kill()  # a session that is killed holds nothing

    leases.take("cpu", "mine", look, lambda: False)
    assert told == []
    leases.take("cuda:0", "mine", look, lambda: False)
    assert told == [f"the GPU, which their job (process {other.pid} on {_host()}) uses"]
    executor = Executor(["cuda:0"], lambda: None, leases)
    executor.start([job])
    assert ended.wait(SOON), "what is held already is not waited for"
    leases.give_back()
    Leases(tmp_path / "gpus").take("cuda:0", "next", told.append, lambda: False)
    assert len(told) == 1


def test_a_job_that_waits_for_a_gpu_says_for_whom_and_stops_when_asked(other, tmp_path):
    executor = Executor(["cuda:0"], lambda: None, Leases(tmp_path / "gpus"))
    job = Job("mine", "mine", "train", lambda job, device: None)
    executor.start([job])
    for _ in range(200):
        if "their job" in job.progress().words:
            break
        job.ended.wait(0.05)
    assert job.progress().words.startswith("waiting for the GPU, which their job (process")
    executor.stop()
    assert job.ended.wait(SOON)
    assert isinstance(job.error, StoreError)


def test_a_gpu_is_known_by_its_uuid_whatever_number_it_has_here(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$4" = 2 ] && echo GPU-2a\n')
    program.chmod(0o755)
    assert identity("cuda:2") == "GPU-2a"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,2")
    assert identity("cuda:1") == "GPU-2a"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-7b")
    assert identity("cuda:0") == "MIG-7b"


def test_without_nvidia_smi_it_is_known_by_its_number():
    assert identity("cuda:3") == "3"


def _host():
    import socket

    return socket.gethostname()


def test_two_jobs_of_one_session_that_take_several_gpus_at_once_do_not_wait_for_each_other(tmp_path):
    leases, began = Leases(tmp_path / "gpus"), threading.Barrier(2, timeout=SOON)
    leases.at_once = ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    taken = []

    def take(device):
        began.wait()
        taken.append(leases.take(device, device, lambda why: None, lambda: False))

    threads = [threading.Thread(target=take, args=(device,), daemon=True) for device in ("cuda:0,1", "cuda:2,3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert sorted(taken) == ["cuda:0,1", "cuda:2,3"]
    assert leases.held == set(leases.at_once)
    leases.give_back()
