"""Worker processes, seen from the session: started on one device, asked to stop, their errors raised here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import NoReturn

from harness.environment import child_environment
from harness.errors import WorkerFailed
from harness.files import full_disk
from harness.jobs.devices import visible_to_worker
from harness.worker.child import ENDED, ERROR, INTERRUPTED
from harness.worker.messages import receive

# Set where this session itself was started as one of several processes; its workers are not.
DISTRIBUTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LAST_LINES = 12  # of a worker's log, shown when it fails
FULL = 2**20  # free bytes; with less, a failed worker is taken to have filled the disk


class DeviceLost(Exception):
    """The machine on which a worker ran is gone. The job begins again on another, from the last saved state."""


class NoPlaceYet(Exception):
    """A device cannot be had at present; the job waits, or takes another."""


class Worker:
    """A child process `python -m MODULE FOLDER` on one device; its output goes to FOLDER/worker.log."""

    def __init__(self, module: str, folder: Path, device: str, name: str) -> None:
        self.folder, self.name = folder, name
        (folder / ERROR).unlink(missing_ok=True)
        self.process = _started([module, str(folder)], device, folder / "worker.log")

    def status_now(self) -> int | None:
        """The exit status, None while it runs."""
        return self.process.poll()

    def running(self) -> bool:
        """Whether the exit status is still to come."""
        return self.status_now() is None

    def stop(self) -> None:
        """Ask it to leave a resumable state and end."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """End it at once, without a state."""
        self.process.kill()
        self.process.wait()

    def wait(self) -> None:
        """Wait for its end; raise the error it left behind, or WorkerFailed with its last log lines."""
        self.ended_with(self.process.wait())

    def ended_with(self, status: int) -> None:
        """Raise the error that the exit status and what is in the folder tell of, if any."""
        if status == 0:
            return
        left = self.folder / ERROR
        if left.exists():
            raise receive(left).raised_for(self.name)
        if shutil.disk_usage(self.folder).free < FULL:
            raise full_disk(f"{self.name}: writing below {self.folder}")
        if status == INTERRUPTED:
            raise WorkerFailed(f"{self.name} was stopped on request.", "Run again: it continues from its last step.")
        raise WorkerFailed(
            f"{self.name}: the worker {_end_in_words(status)}. {self._log()}",
            "Run again: it continues from the last saved step.",
        )

    def _log(self) -> str:
        with (self.folder / "worker.log").open(errors="replace") as log:
            last = "".join("\n      " + line.rstrip() for line in deque(log, LAST_LINES))
        return f"Last lines of {self.folder / 'worker.log'}:{last or ' (empty)'}"


class WarmWorker:
    """A child process `python -m MODULE` on one device that takes folder after folder, and keeps what it has loaded."""

    def __init__(self, module: str, device: str) -> None:
        self.device = device
        self.process = _started([module], device, None)
        self.asked: FolderRequest | None = None

    @property
    def idle(self) -> bool:
        """Whether it lives and waits for a folder."""
        return self.process.poll() is None and (self.asked is None or not self.asked.running())

    def ask(self, folder: Path, name: str) -> FolderRequest:
        """Give it a folder; its output goes to FOLDER/worker.log."""
        self.asked = FolderRequest(self.process, folder, name)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died; `wait` raises how
            self.process.stdin.write(f"{folder}\n".encode())
            self.process.stdin.flush()
        return self.asked

    def close(self) -> None:
        """End it. When this returns, the device's memory is free; all it has answered is on disk."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class FolderRequest(Worker):
    """One folder given to a warm worker: running until the worker writes FOLDER/ended.json or dies."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
        self.process, self.folder, self.name = process, folder, name
        for left in (folder / ERROR, folder / ENDED):
            left.unlink(missing_ok=True)
        (folder / "worker.log").touch()
        self.status: int | None = None

    def status_now(self) -> int | None:
        """The exit status for this folder, None while the answer is still to come."""
        ended = self.folder / ENDED
        if self.status is None and ended.exists():
            self.status = int(json.loads(ended.read_text()))
        if self.status is None:
            self.status = self.process.poll()
        return self.status

    def wait(self) -> None:
        """Wait for the answer; raise the error it left behind, or WorkerFailed with its last log lines."""
        while self.running():
            time.sleep(0.02)
        assert self.status is not None
        self.ended_with(self.status)


def become(*command: str, **environment: str) -> NoReturn:
    """Put a Python process, `python -m COMMAND`, in the place of this one, with its terminal. Does not return."""
    os.execve(sys.executable, [sys.executable, "-m", *command], child_environment(**environment))


def _started(command: list[str], device: str, log: Path | None) -> subprocess.Popen[bytes]:
    """Start a Python process of the module that sees one device. Without a log it reads folders from stdin."""
    environment = child_environment(PYTHONUNBUFFERED="1", CUDA_VISIBLE_DEVICES=visible_to_worker(device))
    # Threads that wait spin for some microseconds, then sleep: two sessions on one machine do not spin against each
    # other, and one alone is as fast as with long spins. (OMP_WAIT_POLICY=PASSIVE costs a quarter of the speed.)
    for name in DISTRIBUTED:
        environment.pop(name, None)
    environment.setdefault("GOMP_SPINCOUNT", "3000")
    with contextlib.ExitStack() as stack:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE if log is None else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if log is None else stack.enter_context(log.open("ab")),
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the session, which asks the worker to stop
        )


def _end_in_words(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL); the system does that when memory runs out"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
