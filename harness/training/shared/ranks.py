"""Several processes that train one model together (data parallel): who is who, and what they agree on.

Each holds the whole model and takes its share of every optimizer step's micro-batches; gradients are averaged over
processes before the step (Li et al. 2020, arXiv:2006.15704). Alone, everything here does nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset


def processes() -> int:
    """How many train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this one, from 0."""
    return int(os.environ.get("RANK", "0"))


def summed(values: Sequence[float]) -> list[float]:
    """The sums over all processes. All have to call it."""
    if processes() == 1:
        return list(values)
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    together = torch.tensor(list(values), dtype=torch.float64, device=device)
    torch.distributed.all_reduce(together)
    return together.tolist()


def summed_if_known(value: float | None) -> float | None:
    """The sum over all processes; None where one does not know its own. All have to call it."""
    total, unknown = summed([value or 0.0, float(value is None)])
    return None if unknown else total


def draw_apart(seed: int) -> None:
    """Have each process draw its own random numbers from now on: what each drops out differs."""
    if processes() > 1:
        torch.manual_seed(seed + rank())


def wait_for_all() -> None:
    """Return when all processes are here."""
    if processes() > 1:
        torch.distributed.barrier()


class Batches:
    """Row numbers of each micro-batch of one epoch: this process's share of them, in the order of the steps.

    The rows of an epoch are shuffled by seed + epoch. Every `step` of them make an optimizer step, cut into micro-batches
    of `size` rows, which are dealt to the processes in turn. So a step has the same rows however many processes there
    are. A process for which none is left gets an empty one.
    """

    def __init__(self, rows: int, size: int, step: int, seed: int) -> None:
        self.rows, self.size, self.step, self.seed, self.epoch = rows, size, step, seed, 0
        self.each = local_batches(step, size)

    def __len__(self) -> int:
        whole, rest = divmod(self.rows, self.step)
        return whole * self.each + local_batches(rest, self.size)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(self.seed + self.epoch)).tolist()
        for start in range(0, self.rows, self.step):
            rows = order[start : start + self.step]
            dealt = [rows[at : at + self.size] for at in range(0, len(rows), self.size)]
            for first in range(0, len(dealt), processes()):
                turn = dealt[first : first + processes()]
                yield turn[rank()] if rank() < len(turn) else []
        self.epoch += 1

    def set_epoch(self, epoch: int) -> None:
        """Which epoch is shuffled next."""
        self.epoch = epoch


def local_batches(rows: int, size: int) -> int:
    """How many micro-batches of a step of so many rows each process has."""
    return math.ceil(math.ceil(rows / size) / processes())


class Loader(DataLoader):  # type: ignore[type-arg]
    """A DataLoader whose batches know the epoch."""

    def __init__(self, rows: Dataset, batches: Batches, collate: object, pin_memory: bool) -> None:
        super().__init__(rows, batch_sampler=batches, collate_fn=collate, pin_memory=pin_memory)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Which epoch is shuffled next."""
        assert isinstance(self.batch_sampler, Batches)
        self.batch_sampler.set_epoch(epoch)
