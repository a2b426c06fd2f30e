"""A worker's first and last steps: end when the session ends, be alone in a folder, write down an error."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock

from harness.errors import HarnessError
from harness.files import full_disk_explained
from harness.worker.messages import WorkerError, send

INTERRUPTED = 75  # exit status of a worker that was asked to stop, and can be resumed
ERROR = "error.json"  # what went wrong, in a worker's folder
ENDED = "ended.json"  # a warm worker's exit status for one folder, written last


def work_in(folder: Path, work: Callable[[], int], alone: bool = True) -> int:
    """Run `work`, the only task of this process, in its folder. Its exit status; 1 with the reason in error.json.

    Not `alone`: one of several processes, whose parent has the folder.
    """
    _end_with_parent()
    lock = alone_in(folder) if alone else None
    try:
        with full_disk_explained(f"writing below {folder} or {gettempdir()}"):
            return work()
    except HarnessError as error:
        leave(folder, WorkerError.of(error))
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(error.message, file=sys.stderr)
        return 1
    finally:
        if lock is not None:
            lock.release()


def leave(folder: Path, error: WorkerError) -> None:
    """Write the error into the folder, for the session to raise again."""
    send(folder / ERROR, error)


def _end_with_parent() -> None:
    """From now on end when the session ends."""
    parent = os.getppid()
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG, a signal when the starting thread ends
        if os.getppid() != parent:  # the session ended before the call
            raise SystemExit(INTERRUPTED)
    else:
        end_with_the_session()


def alone_in(folder: Path) -> FileLock:
    """The folder's lock, once no earlier worker holds it."""
    lock = FileLock(folder / "worker.lock")
    lock.acquire()
    return lock


def end_with_the_session() -> None:
    """From now on this process ends soon after its parent, even if the parent's thread that started it ended before."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    """Look once a second for the parent; when it is gone, this process has another."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
