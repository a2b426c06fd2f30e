"""Worker processes: started from the session, never outliving it, one at a time in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from filelock import FileLock

from harness import errors
from harness.errors import HarnessError, StoreError, WorkerFailed

INTERRUPTED = 75  # a worker's exit status when it was told to stop and left a resumable state
LAST_LINES = 12
ENDED = "ended.json"  # a warm worker's exit status for one folder, written last
FULL = 2**20  # bytes left, at which a failed worker is told to have filled the disk


class Worker:
    """A child process `python -m MODULE FOLDER` on one device; its output goes to FOLDER/worker.log."""

    def __init__(self, module: str, folder: Path, device: str, name: str) -> None:
        self.folder, self.name = folder, name
        (folder / "error.json").unlink(missing_ok=True)
        self.process = _started([module, str(folder)], device, folder / "worker.log")

    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Ask it to leave a resumable state and end."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for its end; raise the error it left behind, or WorkerFailed with its last log lines."""
        self._ended_with(self.process.wait())

    def _ended_with(self, status: int) -> None:
        if status == 0:
            return
        left = self.folder / "error.json"
        if left.exists():
            raise told_error(self.name, json.loads(left.read_text()))
        if shutil.disk_usage(self.folder).free < FULL:
            raise StoreError(
                f"{self.name}: the disk that holds {self.folder} is full.",
                "Free some space, then run again: it continues from its last saved step.",
            )
        if status == INTERRUPTED:
            raise WorkerFailed(f"{self.name} was stopped on request.", "Run again: it continues from its last step.")
        raise WorkerFailed(
            f"{self.name}: the worker {_ended(status)}. {self._log()}",
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
        self.asked: Request | None = None

    @property
    def idle(self) -> bool:
        """Whether it lives and waits for a folder."""
        return self.process.poll() is None and (self.asked is None or not self.asked.running())

    def ask(self, folder: Path, name: str) -> Request:
        """Hand it a folder; its output goes to FOLDER/worker.log."""
        self.asked = Request(self.process, folder, name)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died; whoever waits for the answer learns how
            self.process.stdin.write(f"{folder}\n".encode())
            self.process.stdin.flush()
        return self.asked

    def close(self) -> None:
        """End it; what it holds of the device is free when this returns. What it has answered is on the disk."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class Request(Worker):
    """One folder handed to a warm worker: running until the worker has written FOLDER/ended.json, or has died."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
        self.process, self.folder, self.name = process, folder, name
        for left in (folder / "error.json", folder / ENDED):
            left.unlink(missing_ok=True)
        (folder / "worker.log").touch()
        self.status: int | None = None

    def running(self) -> bool:
        """Whether the answer is still to come."""
        ended = self.folder / ENDED
        if self.status is None and ended.exists():
            self.status = int(json.loads(ended.read_text()))
        if self.status is None:
            self.status = self.process.poll()
        return self.status is None

    def wait(self) -> None:
        """Wait for the answer; raise the error it left behind, or WorkerFailed with its last log lines."""
        while self.running():
            time.sleep(0.02)
        assert self.status is not None
        self._ended_with(self.status)


def _started(command: list[str], device: str, log: Path | None) -> subprocess.Popen[bytes]:
    """A python process of the module, which sees one device; with a log it reads nothing, else folders from stdin."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    # Threads that wait spin for some microseconds, then sleep: two sessions on one machine do not spin against each
    # other, and one alone is as fast as with long spins. (OMP_WAIT_POLICY=PASSIVE costs a quarter of the speed.)
    environment.setdefault("GOMP_SPINCOUNT", "3000")
    environment["CUDA_VISIBLE_DEVICES"] = _physical(device)
    package = str(Path(__file__).parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    with contextlib.ExitStack() as stack:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE if log is None else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if log is None else stack.enter_context(log.open("ab")),
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the session, which asks the worker to stop
        )


def told_error(name: str, told: dict[str, str]) -> HarnessError:
    """The error that a worker wrote down, raised again under the job's name."""
    kind: type[HarnessError] = getattr(errors, told["kind"], WorkerFailed)
    return kind(f"{name}: {told['problem']}", told["remedy"])


def _ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL); the system does that when memory runs out"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"


def _physical(device: str) -> str:
    """What CUDA_VISIBLE_DEVICES must be, so that the worker sees its one device as cuda:0."""
    if not device.startswith("cuda"):
        return ""
    number = int(device.split(":")[1])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[number].strip() if visible else str(number)


def device_inside(device: str) -> str:
    """The device's name within its worker."""
    return "cuda:0" if device.startswith("cuda") else device


def settle(folder: Path) -> FileLock:
    """Called first in a worker of one folder: end with the session, and wait until no earlier worker is there."""
    parent = os.getppid()
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: when the thread ends that has started this
        if os.getppid() != parent:
            raise SystemExit(INTERRUPTED)
    else:
        end_with_the_session()
    return alone_in(folder)


def alone_in(folder: Path) -> FileLock:
    """The folder's lock, once no earlier worker holds it."""
    lock = FileLock(folder / "worker.lock")
    lock.acquire()
    return lock


def end_with_the_session() -> None:
    """From now on this process ends soon after its parent does, whichever of the parent's threads has started it."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def failed_parent(name: str, error: BaseException) -> HarnessError:
    """The error of a job whose parent failed, or its parent's: the first one is told."""
    first = error.__cause__ if isinstance(error.__cause__, HarnessError) else error
    told = first.told() if isinstance(first, HarnessError) else repr(first)
    failed = WorkerFailed(f"{name} was not started: what it stands on failed. {told}")
    failed.__cause__ = first
    return failed
