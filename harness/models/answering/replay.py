"""The steps of decoding as CUDA graphs: a step's kernels are launched together, where one by one takes longer than they do.

A step of a small model is hundreds of kernels of a few microseconds each, and Python needs longer to launch them than
the GPU to compute them. A graph records them once for a shape and launches all of them in one call (NVIDIA, CUDA C++
Programming Guide, "CUDA Graphs"). It reads its inputs where they were when it was recorded.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import torch

from harness.worker.failures import says_out_of_memory

RECORDED_AT = 3  # a shape's graph is recorded when it is asked for so often; recording costs as much as a step or two
WIDTH = 128  # widths are multiples of this, so that few graphs do


Compute = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]  # tokens (N,), lengths (N,), width -> states (N, C)


class Steps:
    """Computes one more token of each sequence on a GPU: kernel by kernel at first, from then on as a graph.

    N is rounded up to a power of two and the width to a multiple of 128, up to `size` and `capacity`. Rows beyond those
    asked for compute the token 0 of an empty sequence: it is written into a slot that is not in use. A model that waits
    for the GPU within a step, as a mixture of experts may, cannot be recorded, and is computed kernel by kernel
    throughout. Both ways take the same kernels on the same shapes, so the states are the same bit for bit.
    """

    def __init__(self, size: int, capacity: int, device: torch.device) -> None:
        self.size, self.capacity = size, capacity
        self.given = torch.zeros((2, size), dtype=torch.long, device=device)  # tokens, lengths: what graphs read
        self.graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        self.asked: Counter[tuple[int, int]] = Counter()
        self.records = True

    def states(self, compute: Compute, tokens: Sequence[int], lengths: Sequence[int]) -> torch.Tensor:
        """Hidden states (n, C) of the tokens, each after a sequence of that length."""
        rows, width = shape = rounded(len(tokens), max(lengths) + 1, self.size, self.capacity)
        beyond = [0] * (rows - len(tokens))
        self.given[:, :rows].copy_(torch.tensor([[*tokens, *beyond], [*lengths, *beyond]]))
        self.asked[shape] += 1
        if shape in self.graphs:
            graph, found = self.graphs[shape]
            graph.replay()
        elif self.records and self.asked[shape] == RECORDED_AT:
            found = self._recorded(compute, rows, width)
        else:
            found = self._computed(compute, rows, width)
        return found[: len(tokens)]

    def _computed(self, compute: Compute, rows: int, width: int) -> torch.Tensor:
        return compute(self.given[0, :rows], self.given[1, :rows], width)

    def _recorded(self, compute: Compute, rows: int, width: int) -> torch.Tensor:
        """The states, computed kernel by kernel; beside that the shape's graph, where nothing waits for the GPU."""
        try:
            with _no_waiting():
                found = self._computed(compute, rows, width)
        except RuntimeError as error:
            if says_out_of_memory(error):
                raise
            self.records = False
            return self._computed(compute, rows, width)
        try:
            self.graphs[rows, width] = self._graph(compute, rows, width)
        except RuntimeError as error:
            if says_out_of_memory(error):
                raise
            self.records = False
        return found

    def _graph(self, compute: Compute, rows: int, width: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        """The shape's graph, and where it leaves the states."""
        device, graph = self.given.device, torch.cuda.CUDAGraph()
        pool = next(iter(self.graphs.values()))[0].pool() if self.graphs else None
        with (
            torch.cuda.stream(torch.cuda.current_stream(device)),  # is the current one again, however this ends
            torch.cuda.graph(graph, pool=pool, stream=_recording_stream(device), capture_error_mode="thread_local"),
        ):
            states = self._computed(compute, rows, width)
        return graph, states

    def release(self) -> None:
        """Give up the graphs and the memory that they compute in."""
        for graph, _ in self.graphs.values():
            graph.reset()
        self.graphs.clear()


def rounded(count: int, width: int, size: int, capacity: int) -> tuple[int, int]:
    """Rows and width of the shape that computes so many: a power of two and a multiple of 128, or the most there is."""
    return min(size, 1 << (count - 1).bit_length()), min(capacity, -(-width // WIDTH) * WIDTH)


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One of each device, whichever is the current one: cuBLAS keeps a workspace for every stream it has seen."""
    return torch.cuda.Stream(device)


@contextmanager
def _no_waiting() -> Iterator[None]:
    """In this context an operation that waits for the GPU raises RuntimeError: it could not be recorded."""
    with warnings.catch_warnings(action="ignore"):  # that this mode does not see every such operation
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)
