"""What every training starts from: threads and random numbers."""

from __future__ import annotations

import torch
from transformers import set_seed

from harness.worker.messages import TrainingTask


def start(task: TrainingTask) -> None:
    """Set the number of threads, on which the sum of a matrix product depends, and all random number generators."""
    torch.set_num_threads(task.threads)
    set_seed(task.seed)
