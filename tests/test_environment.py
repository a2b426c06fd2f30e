"""What surrounds a session: versions without an import, threads, the project's commit, a child's variables."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from harness.environment import (
    PACKAGE,
    child_environment,
    commit_of,
    computes_bfloat16,
    cpu_computes_bfloat16,
    environment,
    threads,
    version_of,
)
from harness.fingerprint.evaluations import dtype_on


def test_versions_of_what_is_installed_are_recorded_and_nothing_is_imported():
    code = (
        "import json, sys; from harness.environment import environment; found = environment(3);"
        "heavy = [m for m in ('torch', 'transformers', 'datasets', 'lm_eval', 'numpy') if m in sys.modules];"
        "print(json.dumps([found, heavy]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, heavy = json.loads(shown.stdout)
    assert heavy == []
    assert found == environment(3)
    assert found["processor"]
    assert (found["python"], found["threads"]) == (platform.python_version(), 3)
    assert platform.machine() in found["machine"]


def test_threads_are_recorded_only_where_they_are_known():
    assert "threads" not in environment()


def test_a_process_that_computes_on_a_gpu_records_it(monkeypatch, tmp_path):
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_initialized=lambda: True, get_device_name=lambda number: f"NVIDIA H100, {number}"),
        version=SimpleNamespace(cuda="13.0"),
        backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 91500)),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr("harness.environment.DRIVER", tmp_path / "version")
    gpu = {"gpu": "NVIDIA H100, 0", "cuda": "13.0", "cudnn": "91500"}
    assert environment().items() >= gpu.items()
    assert "driver" not in environment()
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n")
    assert environment()["driver"] == "580.65.06"


def test_a_process_that_does_not_records_none():
    assert not {"gpu", "cuda", "driver"} & environment().keys()


def test_a_library_that_is_not_installed_has_no_version():
    assert version_of("pytest") == version("pytest")
    assert version_of("no-such-library") is None
    assert None not in environment().values()


def test_a_worker_has_the_threads_that_this_process_may_use():
    assert threads() == len(os.sched_getaffinity(0)) >= 1


def git(folder, *arguments):
    names = ("AUTHOR", "COMMITTER")
    who = {f"GIT_{name}_{what}": "a@b.c" for name in names for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | who).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "recipe.py").write_text("A = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_a_project_is_at_its_commit_and_a_plus_says_that_files_differ(repository):
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository) == head[:12]
    (repository / "untracked.txt").write_text("of no matter")
    assert commit_of(repository) == head[:12]
    (repository / "recipe.py").write_text("A = 2\n")
    assert commit_of(repository) == f"{head[:12]}+"


def test_outside_a_repository_there_is_no_commit(tmp_path, repository):
    assert commit_of(tmp_path / "nowhere") is None
    empty = tmp_path / "empty"
    git(tmp_path, "init", "--quiet", str(empty))
    assert commit_of(empty) is None, "nothing was committed yet"


def test_a_machine_without_git_has_no_commits(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository / "no-programs"))
    assert commit_of(repository) is None


def test_a_child_can_import_this_harness_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    variables = child_environment(EXTRA="yes")
    assert variables["PYTHONPATH"] == f"{PACKAGE.parent}{os.pathsep}/somewhere/else"
    assert variables["EXTRA"] == "yes"
    code = "import harness; print(harness.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == str(PACKAGE / "__init__.py")
    monkeypatch.delenv("PYTHONPATH")
    assert child_environment()["PYTHONPATH"] == str(PACKAGE.parent)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Makes `nvidia-smi` answer with a GPU's compute capability; without a call there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    computes_bfloat16.cache_clear()

    def says(answer):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n[ \"$4\" = 1 ] && echo '{answer}'\n")
        program.chmod(0o755)

    yield says
    computes_bfloat16.cache_clear()


@pytest.mark.parametrize(("capability", "computes"), [("7.0", False), ("7.5", False), ("8.0", True), ("12.0", True)])
def test_gpus_before_ampere_only_emulate_bfloat16_and_are_measured_in_float32(nvidia_smi, capability, computes):
    nvidia_smi(capability)
    assert computes_bfloat16("cuda:1") is computes
    assert dtype_on("cuda:1") == ("bfloat16" if computes else "float32")


def test_a_machine_that_only_judges_has_no_gpu_to_ask(nvidia_smi):
    assert computes_bfloat16("cuda:0") is True
    assert dtype_on("cpu") == "float32"


@pytest.mark.parametrize(
    ("told", "computes"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512f fma\n", True),
        ("processor : 0\nflags\t\t: fpu avx2 fma\nbugs : avx512f\n", False),
        ("processor : 0\nFeatures : fp asimd\n", True),  # another architecture
        (None, True),
    ],
)
def test_a_processor_with_avx2_alone_is_slow_in_bfloat16(monkeypatch, tmp_path, told, computes):
    monkeypatch.setattr("harness.environment.CPUINFO", tmp_path / "cpuinfo")
    if told is not None:
        (tmp_path / "cpuinfo").write_text(told)
    assert cpu_computes_bfloat16() == computes
