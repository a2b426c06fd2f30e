"""Whole sessions on a Ray cluster of this machine, some of whose nodes die."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.projects import run_session, start_session, write_project

pytest.importorskip("ray", reason="ray is not installed")

from benchmarks.ray_cluster import Machines

SELECTED = ("-k", "plain and look")


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Three nodes of one CPU each, which do not see the session's disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nodes"))
    found = Machines(3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "session"))
    monkeypatch.setenv("RAY_ADDRESS", found.address)
    monkeypatch.setenv("HARNESS_RAY_COPY", "1")
    yield found
    found.close()


def training_on(machines):
    """The node on which a process trains; None where none does."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "harness.training" not in (folder / "cmdline").read_text().split("\0"):
                continue
            above = parents(int(folder.name))
        except OSError:
            continue  # it has ended meanwhile
        for node in machines.nodes:
            if node.all_processes["raylet"][0].process.pid in above:
                return node
    return None


def parents(process):
    found = []
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
        found.append(process)
    return found


def weights(store):
    return {path.parent.name: path.read_bytes() for path in store.glob("checkpoints/*/*.safetensors")}


def wait_until(what, running, seconds=240):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_node_that_dies_changes_no_weight_and_no_verdict(machines, tmp_path):
    project, store = write_project(tmp_path / "project"), tmp_path / "store"
    running = start_session(project, "--executor", "ray", "--store", str(store), *SELECTED)
    wait_until(lambda: list(store.glob("checkpoints/*.partial/trainer/checkpoint-*/complete.json")), running)
    machines.kill(wait_until(lambda: training_on(machines), running))
    said = running.communicate(timeout=400)[0]
    assert running.returncode == 0, said
    assert re.search(r"note: .*: its machine was lost, .*; it went on elsewhere from its last saved state", said)
    assert "on cpu of " in said
    assert "torch" not in (project / "loaded.txt").read_text()
    left = [path.name for path in (tmp_path / "nodes" / "harness" / "nodes" / socket.gethostname()).iterdir()]
    assert left == ["begin.lock"], "the nodes worked in folders of their own, and have removed them"

    status, here = run_session(project, "--store", str(tmp_path / "local"), *SELECTED)
    assert status == 0, here
    assert len(weights(store)) == 2
    assert weights(store) == weights(tmp_path / "local")


def test_a_session_that_is_interrupted_goes_on_where_it_was(machines, tmp_path):
    project, store = write_project(tmp_path / "project"), tmp_path / "store"
    running = start_session(project, "--executor", "ray", "--store", str(store), *SELECTED)
    wait_until(lambda: list(store.glob("checkpoints/*.partial/trainer/checkpoint-*/complete.json")), running)
    os.kill(running.pid, signal.SIGINT)
    running.communicate(timeout=120)
    assert training_on(machines) is None
    status, said = run_session(project, "--executor", "ray", "--store", str(store), *SELECTED)
    assert status == 0, said
    assert len(weights(store)) == 2
