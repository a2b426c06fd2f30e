"""Runs jobs: a thread for each, which waits for its worker. Where that worker is, only the places know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from harness.errors import HarnessError, WorkerFailed
from harness.jobs.devices import apart, together
from harness.jobs.events import Listener, Note
from harness.jobs.job import Help, Job, Progress, parent_failed
from harness.jobs.process import DeviceLost, NoPlaceYet

# Losses of its device without a step between them, after which a job has failed: it may be what takes machines down.
LOSSES = 5


class Places(Protocol):
    """Where jobs run: the devices of this machine (`Leases`), or slots on a cluster."""

    def take(self, device: str, who: str, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> str:
        """Have the device to this session, and return where it is, for people. `waiting` is called with the reason.

        Raises NoPlaceYet where it cannot be had now, so that another device may be tried.
        """

    def give_back(self) -> None:
        """Let others have all devices."""

    @property
    def patience(self) -> float:
        """Seconds within which a worker there has left its state and ended, once it is asked to."""


class Executor:
    """A free device goes to the most urgent job that can begin; a thread waits for that job's worker process.

    Of equal ones the first given goes first. Nothing else decides the order: what becomes possible when a job ends is
    weighed before its device is given away. A job may take several GPUs. A job whose device is lost begins again on
    another, from its saved state. A device that no job waits for helps one that runs, if that can share what it does.
    """

    def __init__(
        self, devices: Sequence[str], stop_workers: Callable[[], None], places: Places, report: Listener | None = None
    ) -> None:
        self.free, self.waiting, self.running, self.report = list(devices), list[Job](), list[Job](), report
        self.threads: list[threading.Thread] = []
        self.places, self.of_gpus = places, devices[0].startswith("cuda")
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
            thread.join(timeout=self.places.patience)

    def _begin(self) -> None:
        """End the jobs that never can begin, and start those that can while devices are free. The lock is held."""
        while self._end_one_without_hope():
            pass
        while ready := [job for job in self.waiting if _can_begin(job)]:
            job = min(ready, key=lambda one: one.urgency)
            count = job.processes if self.of_gpus else 1
            if len(self.free) < count:
                return  # the next in turn is not overtaken: else what takes several might wait for ever
            self.waiting.remove(job)
            self.running.append(job)
            job.offer = self._offered
            self._start(job, together([self.free.pop(0) for _ in range(count)]), self._run)
        self._lend()

    def _start(self, job: Job, device: str, work: Callable[..., None], *more: Any) -> None:
        thread = threading.Thread(target=work, args=(job, device, *more), name=job.name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _offered(self) -> None:
        """A running job has found out that it can be helped."""
        with self.lock:
            self._lend()

    def _lend(self) -> None:
        """Have devices that no job waits for help those that run. The lock is held."""
        while self.free and not self.stopping and not self._is_wanted():
            found = next(((job, help) for job in self.running if (help := job.helped())), None)
            if found is None:
                return
            self._start(found[0], self.free.pop(0), self._help, found[1])

    def _help(self, job: Job, device: str, work: Help) -> None:
        try:
            work(
                job,
                device,
                lambda: self.places.take(device, job.name, lambda why: None, self._is_wanted),
                self._is_wanted,
            )
        except (NoPlaceYet, DeviceLost):
            job.helped = lambda: None  # it can do without
        except HarnessError as error:
            job.helped = lambda: None
            if self.report is not None and not self.stopping:
                self.report(Note(f"{job.name}: a device that helped gave up, and the first went on: {error.problem}"))
        with self.lock:
            self.free.append(device)
            self._begin()

    def _is_wanted(self) -> bool:
        """Whether a job waits for nothing but a device."""
        return self.stopping or any(_can_begin(job) for job in self.waiting)

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
        job.device, job.place, started = device, device, time.monotonic()
        again = False
        try:
            if job.asks == "model":
                job.place = self._take_for(job, device)
            job.run(job, device)
        except NoPlaceYet:
            again = True
        except DeviceLost as lost:
            again = self._may_begin_again(job, lost)
        except BaseException as error:
            job.error = error
        job.seconds += time.monotonic() - started
        with self.lock:
            self._leave(job, device, again)

    def _may_begin_again(self, job: Job, lost: DeviceLost) -> bool:
        """Whether a job whose device is gone goes on elsewhere; else it has its error."""
        step = job.progress().done
        job.losses = [*job.losses, str(lost)] if step <= job.lost_at else [str(lost)]
        job.lost_at = step
        if len(job.losses) < LOSSES:
            if self.report is not None:
                self.report(
                    Note(f"{job.name}: its machine was lost, {lost}; it went on elsewhere from its last saved state")
                )
            return True
        told = "; ".join(dict.fromkeys(job.losses))
        job.error = WorkerFailed(
            f"{job.name} lost its machine {len(job.losses)} times: {told}.",
            "It may take more memory than the machines have (`ray logs`, `dmesg`); run again: it goes on from its last saved state.",
        )
        return False

    def _leave(self, job: Job, device: str, again: bool) -> None:
        """Give the device to the next, the lost one last; the job has ended, or waits again. The lock is held."""
        self.running.remove(job)
        if again:
            self.free += apart(device)
            self.waiting.append(job)
            job.device = None
        else:
            self.free[:0] = apart(device)
            job.ended.set()
        self._begin()

    def _take_for(self, job: Job, device: str) -> str:
        """Have the device to this session; meanwhile the job's progress says what it waits for."""
        progress = job.progress

        def waiting(why: str) -> None:
            job.progress = lambda: Progress(words=f"waiting for {why}")

        try:
            return self.places.take(device, job.name, waiting, lambda: self.stopping)
        finally:
            job.progress = progress


def _can_begin(job: Job) -> bool:
    """Whether all that it waits for has ended."""
    return all(earlier.ended.is_set() for earlier in (*job.needs, *job.after))
