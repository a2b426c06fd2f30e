"""How much memory a worker has held."""

from __future__ import annotations


def peak_memory_bytes(device: str) -> int:
    """The most memory held so far: of the device on CUDA, of this process on CPU."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
