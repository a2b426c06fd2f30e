"""How much memory a worker has held."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path


def peak_memory_bytes(device: str) -> int:
    """The most memory held since the last reset: of the device on CUDA, of this process on CPU."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        highest = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        highest = None
    if highest:
        return int(highest[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak_memory(device: str) -> None:
    """Begin anew to look for the most memory held; where the system keeps its own record of a process, that stands."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
