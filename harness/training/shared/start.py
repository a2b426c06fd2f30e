"""How every training begins: number of threads, kernels, and seeds."""

from __future__ import annotations

import torch
from transformers import set_seed

from harness.models.loading.kernels import choose_kernels
from harness.worker.messages import TrainingTask


def start(task: TrainingTask) -> None:
    """Set the number of threads, on which rounding in matrix products depends, and seed all random numbers."""
    torch.set_num_threads(task.threads)
    choose_kernels(task.device)
    set_seed(task.seed)
