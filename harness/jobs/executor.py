"""Runs jobs: in local processes here; a cluster can stand behind the same two methods."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from harness.jobs.job import Job, parent_failed


class Executor(Protocol):
    """What a session asks of whoever runs its jobs."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Start the jobs and return at once."""

    def stop(self) -> None:
        """Ask running jobs to end in a resumable state, start no others, and wait for them."""


class LocalExecutor:
    """One thread per job: it waits for the jobs it needs, then for a device, then for its worker process."""

    def __init__(self, devices: Sequence[str], stop_workers: Callable[[], None]) -> None:
        self.leases = Leases(devices)
        self.stop_workers = stop_workers
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, jobs: Sequence[Job]) -> None:
        """Start the jobs and return at once."""
        for job in jobs:
            thread = threading.Thread(target=self._run, args=(job,), name=job.name, daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ask running jobs to end in a resumable state, start no others, and wait for them."""
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
                    job.error = parent_failed(job.name, need.error)
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

    def __init__(self, devices: Sequence[str]) -> None:
        self.free = list(devices)
        self.waiting: list[tuple[int, int]] = []  # a heap of tickets: urgency, then order of arrival
        self.changed = threading.Condition()
        self.count = itertools.count()
        self.closed = False

    @contextmanager
    def lease(self, urgency: int) -> Iterator[str]:
        """A device for the length of the block; 'none' once the leases are closed and no device is free."""
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
        """Wake all that wait, so that they see the session is ending."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
