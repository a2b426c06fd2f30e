"""Whole sessions of several machines on one bucket."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.projects import environment, run_session, start_session, write_project

pytest.importorskip("s3fs", reason="s3fs is not installed")


@pytest.fixture
def on_machine(bucket, tmp_path, monkeypatch):
    """A project's sessions as if on the machine of that number: another cache folder, another results file."""
    monkeypatch.setenv("HARNESS_LEASE_SECONDS", "6")

    def arguments(number, *more):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"machine-{number}"))
        return "--store", bucket, "--results", str(tmp_path / f"machine-{number}" / "results.duckdb"), *more

    return arguments


def outcome(said):
    return re.search(r"=+ (.*) in [\d.]+s", said)[1]


def test_what_one_machine_made_is_judged_on_another_without_training(on_machine, tmp_path, bucket):
    project = write_project(tmp_path / "project")
    status, said = run_session(project, *on_machine(1, "-k", "plain or other"))
    assert f"store {bucket}" in said
    first = outcome(said)
    judging, said = run_session(project, *on_machine(2, "-k", "plain or other", "--no-train"))
    assert (judging, outcome(said)) == (status, first)
    assert "torch" not in (project / "loaded.txt").read_text()


def test_eight_sessions_on_four_machines_train_once(on_machine, tmp_path):
    project = write_project(tmp_path / "project")
    running = []
    for number in range(8):
        given = on_machine(number // 2, "-k", "plain and test_look", "--results", str(tmp_path / f"{number}.duckdb"))
        running.append(start_session(project, *given))
    said = [process.communicate(timeout=560)[0] for process in running]
    assert [text for process, text in zip(running, said, strict=True) if process.returncode] == []
    manifests = list(tmp_path.rglob("machine-*/harness/stores/*/checkpoints/*/manifest.json"))
    assert len(manifests) == 8
    assert len({path.read_text() for path in manifests}) == 2  # of the pretraining and of the fine-tuning


def test_a_machine_that_dies_is_not_waited_for(on_machine, tmp_path):
    project = write_project(tmp_path / "project")
    doomed = start_session(project, *on_machine(1, "-k", "plain and look"))
    deadline = time.monotonic() + 120
    while not list((tmp_path / "machine-1").rglob("checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    status, said = run_session(project, *on_machine(2, "-k", "plain and look"))
    assert status == 0, said


def test_the_command_reads_verifies_and_prunes_a_bucket(on_machine, tmp_path, bucket):
    project = write_project(tmp_path / "project")
    run_session(project, *on_machine(1, "-k", "ground and look"))

    def harness(*arguments):
        on_machine(2)
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments, "--store", bucket],
            cwd=project, env=environment(), capture_output=True, text=True,
        )  # fmt: skip

    assert "pretrain" in harness("store", "ls").stdout
    verified = harness("store", "verify")
    assert (verified.returncode, "0 damaged" in verified.stdout) == (0, True)
    assert "0 artifacts that no recipe leads to" in harness("store", "prune").stdout
    (project / "recipes" / "tiny.py").write_text((project / "recipes" / "tiny.py").read_text().replace("1e-2", "2e-2"))
    assert "would remove checkpoint" in harness("store", "prune").stdout
    assert "removed checkpoint" in harness("store", "prune", "--yes").stdout
    assert "pretrain" not in harness("store", "ls").stdout
