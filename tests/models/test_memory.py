"""The most memory that a worker has held, told in a process of its own."""

import json
import subprocess
import sys

import pytest
import torch

from harness.models.tools.memory import free_memory_bytes, reset_peak_memory
from tests.projects import environment

HOLDS = """
import json
from harness.models.tools.memory import peak_memory_bytes, reset_peak_memory

peaks = [peak_memory_bytes("cpu")]
held = b"x" * 2**28
peaks.append(peak_memory_bytes("cpu"))
del held
peaks.append(peak_memory_bytes("cpu"))
reset_peak_memory("cpu")  # where the system allows it
peaks.append(peak_memory_bytes("cpu"))
print(json.dumps(peaks))
"""


def test_the_peak_grows_with_what_is_held_and_stays_when_it_is_let_go():
    done = subprocess.run([sys.executable, "-c", HOLDS], capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    before, highest, after, reset = json.loads(done.stdout)
    assert 0 < before < 2**28 < highest - before + 2**20
    assert after >= highest - 2**20  # the system counts some pages late
    assert reset <= after + 2**20


def test_cuda_is_initialised_before_its_peak_is_reset(monkeypatch):
    """Every other call initialises CUDA by itself; this one raises, in a worker that has not used the device yet."""
    called = []
    monkeypatch.setattr(torch.cuda, "init", lambda: called.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: called.append(f"reset {device}"))
    reset_peak_memory("cuda:0")
    assert called == ["init", "reset cuda:0"]


@pytest.fixture
def card(monkeypatch):
    """A GPU of 100 bytes: 30 are free, PyTorch holds 60, of which 25 are in tensors."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 60)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 25)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)


def test_what_pytorch_keeps_of_freed_tensors_counts_as_free(card):
    assert free_memory_bytes("cuda:0") == 30 + 60 - 25


def test_a_limit_on_the_process_counts(card, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 0.4)
    assert free_memory_bytes("cuda:0") == 40 - 25
