"""The memory of a worker: its peak, and what a GPU has left."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def peak_memory_bytes(device: str) -> int:
    """The peak memory since the last reset: of tensors on a CUDA device, or of this process on a CPU."""
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

    unit = 1 if sys.platform == "darwin" else 1024  # macOS gives bytes, Linux and the BSDs kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak_memory(device: str) -> None:
    """Reset the peak. Where the system does not allow that for a process, its peak since its start remains."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.init()  # a process's first call to CUDA does that by itself, all but this one
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets VmHWM to the memory held now


def free_memory_bytes(device: str | torch.device) -> int:
    """What new tensors may take on a CUDA device: what is free there, and what PyTorch keeps of freed tensors.

    No more than a limit leaves that was set on this process (`torch.cuda.set_per_process_memory_fraction`).
    """
    import torch

    free, total = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_allocated(device)
    allowed = torch.cuda.get_per_process_memory_fraction(device) * total - held
    return int(min(free + torch.cuda.memory_reserved(device) - held, allowed))


def give_back_memory(device: torch.device) -> None:
    """Give the device what PyTorch keeps of freed tensors there. On a CPU nothing is kept."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
