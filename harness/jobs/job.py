"""A job: one checkpoint to make, or one subject to measure, and the jobs it depends on. Knows nothing of verdicts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, Protocol

from harness.environment import threads
from harness.errors import HarnessError, Spared, WorkerFailed


@dataclass
class Progress:
    """How far a running job is, for people: steps done, steps in all, and words beside them."""

    done: int = 0
    total: int = 0
    words: str = ""


def clock(seconds: float) -> str:
    """0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Help(Protocol):
    """Part of a running job, for a device that is idle."""

    def __call__(self, job: Job, device: str, take: Callable[[], str], wanted: Callable[[], bool]) -> None:
        """Do it, after having taken the device, until nothing is left or the device is wanted for a job of its own.

        What it was doing when an error ended it is done by the job itself.
        """


@dataclass(eq=False)
class Job:
    """Work for one device. `run` gets the job itself and the device leased to it."""

    key: str
    name: str
    kind: Literal["train", "measure"]
    run: Callable[[Job, str], None]
    needs: list[Job] = field(default_factory=list)  # must have succeeded before this one runs
    after: list[Job] = field(default_factory=list)  # run after these, even if they failed
    progress: Callable[[], Progress] = Progress
    threads: int = field(default_factory=threads)  # of its worker, where that computes on the CPU
    processes: int = 1  # of its worker, each with a GPU of its own where it trains on GPUs
    asks: Literal["model", "server", "nothing"] = "model"  # nothing: it scores answers that are stored
    embeds: bool = False  # whether a model finds passages for what it asks
    devices: int = 1  # that may work at it at once
    helped: Callable[[], Help | None] = lambda: None  # what one more device could do for it now
    offer: Callable[[], None] = lambda: None  # says that it can be helped; the executor's, while running
    device: str | None = None  # while running
    place: str = ""  # where that is, for people
    losses: list[str] = field(default_factory=list)  # of its device, without a step between them: machine and reason
    lost_at: int = -1  # the step at which it was lost last
    error: BaseException | None = None
    seconds: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def urgency(self) -> int:
        """Lower goes first: checkpoints before measurements, because more jobs may wait for a checkpoint."""
        return 0 if self.kind == "train" else 1

    @property
    def state(self) -> Literal["waiting", "running", "done", "failed"]:
        """How far it is, from `device`, `ended` and `error`."""
        if self.ended.is_set():
            return "failed" if self.error else "done"
        return "running" if self.device else "waiting"


def waits_for(job: Job, other: Job) -> bool:
    """Whether the job begins only after the other has ended."""
    return any(earlier is other or waits_for(earlier, other) for earlier in (*job.needs, *job.after))


def run_side_by_side(jobs: Iterable[Job]) -> bool:
    """Whether two of the jobs can run at the same time."""
    return any(not waits_for(one, other) and not waits_for(other, one) for one, other in combinations(jobs, 2))


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """The jobs, parents before children."""
    ordered: list[Job] = []

    def visit(job: Job) -> None:
        if job not in ordered:
            for earlier in (*job.needs, *job.after):
                visit(earlier)
            ordered.append(job)

    for job in jobs:
        visit(job)
    return ordered


def parent_failed(name: str, error: BaseException) -> HarnessError:
    """The error of a job whose parent failed. It names the first failure, not the ones that followed from it."""
    if isinstance(error, Spared):
        return error
    first = error.__cause__ if isinstance(error.__cause__, HarnessError) else error
    words = first.message if isinstance(first, HarnessError) else repr(first)
    failed = WorkerFailed(f"{name} was not started: what it stands on failed. {words}")
    failed.__cause__ = first
    return failed
