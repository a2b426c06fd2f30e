"""The graph of missing work: jobs with needs, run side by side, each on a leased device."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.worker import failed_parent


@dataclass
class Progress:
    """How far a running job is, for people: steps done of all, and words beside it."""

    done: int = 0
    total: int = 0
    words: str = ""


@dataclass(eq=False)
class Job:
    """One checkpoint to make, or one checkpoint to measure."""

    name: str
    run: Callable[[Job, str], None]  # the job itself, and the device leased to it
    needs: list[Job] = field(default_factory=list)
    after: list[Job] = field(default_factory=list)  # whose end is waited for, however they end
    urgency: int = 0  # lower goes first
    progress: Callable[[], Progress] = Progress
    device: str | None = None  # while running
    error: BaseException | None = None
    seconds: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        """waiting, running, done or failed."""
        if self.ended.is_set():
            return "failed" if self.error else "done"
        return "running" if self.device else "waiting"


class Executor(Protocol):
    """Runs jobs; local processes here, a cluster behind the same two calls elsewhere."""

    def start(self, jobs: list[Job]) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """Ask what runs to end resumably, start nothing more, and wait."""


class LocalExecutor:
    """A thread per job, which waits for its needs and a device, then for its worker process."""

    def __init__(self, devices: list[str], stop_workers: Callable[[], None]) -> None:
        self.leases = Leases(devices)
        self.stop_workers = stop_workers
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, jobs: list[Job]) -> None:
        """Begin; returns at once."""
        for job in jobs:
            thread = threading.Thread(target=self._run, args=(job,), name=job.name, daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ask what runs to end resumably, start nothing more, and wait."""
        self.stopping.set()
        self.leases.close()
        self.stop_workers()
        for thread in self.threads:
            thread.join(timeout=60)

    def _run(self, job: Job) -> None:
        try:
            for need in job.needs:
                need.ended.wait()
                if need.error:
                    job.error = failed_parent(job.name, need.error)
                    return
            for other in job.after:
                other.ended.wait()
            with self.leases.lease(job.urgency) as device:
                if self.stopping.is_set():
                    job.error = KeyboardInterrupt()
                    return
                job.device, started = device, time.monotonic()
                job.run(job, device)
                job.seconds = time.monotonic() - started
        except BaseException as error:
            job.error = error
        finally:
            job.ended.set()


class Leases:
    """Hands each device to one job at a time, the most urgent first."""

    def __init__(self, devices: list[str]) -> None:
        self.free = list(devices)
        self.waiting: list[tuple[int, int]] = []
        self.changed = threading.Condition()
        self.count = itertools.count()
        self.closed = False

    @contextmanager
    def lease(self, urgency: int) -> Iterator[str]:
        """A device, for the time of the block."""
        ticket = (urgency, next(self.count))
        with self.changed:
            heapq.heappush(self.waiting, ticket)
            self.changed.wait_for(lambda: self.closed or (self.free and self.waiting[0] == ticket))
            self.waiting.remove(ticket)
            heapq.heapify(self.waiting)
            device = self.free.pop(0) if self.free else "none"
            self.changed.notify_all()
        try:
            yield device
        finally:
            with self.changed:
                if device != "none":
                    self.free.append(device)
                self.changed.notify_all()

    def close(self) -> None:
        """Let everybody who waits go on, to find that the session is ending."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()


def waits_for(job: Job, other: Job) -> bool:
    """Whether the job begins only after the other has ended."""
    return any(earlier is other or waits_for(earlier, other) for earlier in (*job.needs, *job.after))


def in_order(jobs: dict[Any, Job]) -> list[Job]:
    """The jobs, parents before children."""
    ordered: list[Job] = []

    def visit(job: Job) -> None:
        if job not in ordered:
            for earlier in (*job.needs, *job.after):
                visit(earlier)
            ordered.append(job)

    for job in jobs.values():
        visit(job)
    return ordered
