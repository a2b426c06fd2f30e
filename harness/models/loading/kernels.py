"""Which of PyTorch's kernels for attention a worker uses on a GPU."""

from __future__ import annotations


def choose_kernels(device: str) -> None:
    """Leave cuDNN's attention out, in this process. On a CPU nothing changes.

    On Hopper PyTorch tries it first. With an explicit mask its gradients can be NaN (pytorch issue 196678), and it
    plans anew for every shape, while the rows of suites and trainings come in many.
    """
    import torch

    if device.startswith("cuda"):
        torch.backends.cuda.enable_cudnn_sdp(False)
