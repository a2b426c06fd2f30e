"""Speed beside others: each a benchmark of its own, which compares results before it prints times."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import setting
from benchmarks.on_gpu.checks import Checks, Steps

SPEEDS = {
    "OpenBookQA's requests": ["openbookqa.py", "--dtype", "bfloat16", "--batch-sizes", "32", "128"],
    "answers": ["generation.py", "--dtype", "bfloat16", "--batch-sizes", "64", "128", "--rounds", "1", "--every", "24"],
    "LoRA training": ["training.py", "--dtype", "bfloat16", "--rows", "320"],
}


def steps(checks: Checks, device: str, small: bool) -> Steps:
    """All of them; with `small` none, since they have tests of their own."""
    some = {} if small else SPEEDS
    return {name: lambda name=name: beside_others(checks, name, device) for name in some}  # type: ignore[misc]


def beside_others(checks: Checks, name: str, device: str) -> None:
    """One benchmark on this device; its tables are printed as they are."""
    script, *more = SPEEDS[name]
    path = str(setting.ROOT / "benchmarks" / script)
    command = [sys.executable, path, "--model", "smollm2", "--device", device, *more]
    done = subprocess.run(command, cwd=setting.ROOT, text=True, capture_output=True, timeout=300)
    print(f"\n{name}: {' '.join(more)}\n\n{done.stdout}", flush=True)
    checks.keep(name, done.stdout)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
