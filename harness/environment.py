"""What surrounds a session: library versions, processor threads, the project's commit, what a child process gets."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "lm_eval",
    "bitsandbytes",
    "tokenizers",
    "sentence_transformers",
)
MATTERS = ("torch", "transformers", "trl", "peft")  # of these, another minor version is mentioned
PACKAGE = Path(__file__).parent
DRIVER = Path("/proc/driver/nvidia/version")
CPUINFO = Path("/proc/cpuinfo")


def environment(threads: int | None = None) -> dict[str, str | int]:
    """Versions of the libraries that touch numbers, of Python, the processor, the threads; imports none of them.

    In a process that computes on a GPU also the GPU's name, driver, CUDA and cuDNN. Recorded beside each result, never
    part of a fingerprint.
    """
    found: dict[str, str | int] = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
    }
    for library in LIBRARIES:
        installed = version_of(library)
        if installed is not None:
            found[library] = installed
    if threads is not None:
        found["threads"] = threads
    return found | _gpu()


@cache
def processor() -> str:
    """The processor's name as the system tells it, such as 'Intel(R) Xeon(R) Processor @ 2.80GHz'."""
    try:
        lines = CPUINFO.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> dict[str, str]:
    """What computes beside the processor, in a process that has used CUDA; empty in any other."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found = {
        "gpu": torch.cuda.get_device_name(0),  # a worker sees no other
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
    with suppress(OSError):
        driver = re.search(r"\d+(\.\d+)+", DRIVER.read_text())
        found |= {"driver": driver[0]} if driver else {}
    return found


def visible_gpu(device: str) -> str:
    """The number or UUID of `cuda:N`, the N-th of those that this process may see (CUDA_VISIBLE_DEVICES)."""
    number = int(device.split(":")[1])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[number].strip() if visible else str(number)


@cache
def computes_bfloat16(device: str) -> bool:
    """Whether the GPU has bfloat16 in hardware: compute capability 8.0 (Ampere) and later. Others emulate it, slowly.

    True where nvidia-smi does not tell, as on a machine that only judges what another has measured.
    """
    asked = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader", "-i"]
    try:
        told = subprocess.run([*asked, visible_gpu(device)], capture_output=True, text=True, timeout=20, check=True)
        return float(told.stdout.split()[0]) >= 8
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return True


def cpu_computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 at a useful speed: on x86 it needs AVX-512. True where it does not say."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        return True
    return flags is None or "avx512f" in flags[1].split()


def version_of(library: str) -> str | None:
    """The installed version of a library, without importing it; None where it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def threads() -> int:
    """Processor threads of a worker on the CPU: all that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit_of(root: Path) -> str | None:
    """The project's git commit, '+' appended where files differ from it; None outside a repository."""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10
        )
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (found.stdout.strip() + ("+" if changed.stdout.strip() else "")) if found.returncode == 0 else None


def child_environment(**more: str) -> dict[str, str]:
    """Environment variables of a Python process that can import this harness, wherever it was started from.

    It imports nothing from the folder it is started in. GPUs are numbered there as by nvidia-smi, by their place on the bus; CUDA's own order is by speed.
    """
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**order, **os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", **more}
