"""The most memory that a worker has held, told in a process of its own."""

import json
import subprocess
import sys

import torch

from harness.models.tools.memory import reset_peak_memory
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
