"""Runs jobs: in local processes here; a cluster can stand behind the same two methods."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from harness.jobs.job import Job, Progress, parent_failed
from harness.jobs.leases import Leases


class Executor(Protocol):
    """What a session asks of whoever runs its jobs."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Start the jobs and return at once."""

    def stop(self) -> None:
        """Ask running jobs to end in a resumable state, start no others, and wait for them."""


class LocalExecutor:
    """A free device goes to the most urgent job that can begin; a thread waits for that job's worker process.

    Of equal ones the first given goes first. Nothing else decides the order: what becomes possible when a job ends is
    weighed before its device is given away.
    """

    def __init__(self, devices: Sequence[str], stop_workers: Callable[[], None], leases: Leases) -> None:
        self.free, self.waiting = list(devices), list[Job]()
        self.threads: list[threading.Thread] = []
        self.leases = leases
        self.stop_workers, self.stopping = stop_workers, False
        self.lock = threading.Lock()

    def start(self, jobs: Sequence[Job]) -> None:
        """Start the jobs and return at once."""
        with self.lock:
            self.waiting += jobs
            self._begin()

    def stop(self) -> None:
        """Ask running jobs to end in a resumable state, start no others, and wait for them."""
        with self.lock:
            self.stopping = True
            self._begin()
        self.stop_workers()
        for thread in self.threads:
            thread.join(timeout=60)

    def _begin(self) -> None:
        """End the jobs that never can begin, and start those that can while devices are free. The lock is held."""
        while self._end_one_without_hope():
            pass
        while self.free and (ready := [job for job in self.waiting if _can_begin(job)]):
            job = min(ready, key=lambda one: one.urgency)
            self.waiting.remove(job)
            thread = threading.Thread(target=self._run, args=(job, self.free.pop(0)), name=job.name, daemon=True)
            self.threads.append(thread)
            thread.start()

    def _end_one_without_hope(self) -> bool:
        """End a job that waits while the session stops, or for one that has failed; False where there is none."""
        for job in self.waiting:
            failed = next((need.error for need in job.needs if need.ended.is_set() and need.error), None)
            if failed or self.stopping:
                job.error = parent_failed(job.name, failed) if failed else KeyboardInterrupt()
                self.waiting.remove(job)
                job.ended.set()
                return True
        return False

    def _run(self, job: Job, device: str) -> None:
        job.device, started = device, time.monotonic()
        try:
            self._take(job, device)
            job.run(job, device)
        except BaseException as error:
            job.error = error
        job.seconds = time.monotonic() - started
        with self.lock:
            self.free.append(device)
            job.ended.set()
            self._begin()

    def _take(self, job: Job, device: str) -> None:
        """Have the device to this session; meanwhile the job's progress says who has it."""
        progress = job.progress

        def waiting(holder: str) -> None:
            job.progress = lambda: Progress(words=f"waiting for the GPU, which {holder} uses")

        self.leases.take(device, job.name, waiting, lambda: self.stopping)
        job.progress = progress


def _can_begin(job: Job) -> bool:
    """Whether all that it waits for has ended."""
    return all(earlier.ended.is_set() for earlier in (*job.needs, *job.after))
