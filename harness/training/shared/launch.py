"""A training of several processes on one machine: started together, stopped together, ended by the first that fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock

from harness.worker.child import ERROR, INTERRUPTED

RANKS_LOCK = "ranks.lock"  # in the folder, held by the first of the processes
AGAIN = 76  # exit status of a process after which all begin anew


def run_together(folder: Path, processes: int, threads: int) -> int:
    """Train in `folder` by so many processes, with so many threads each; the exit status of the first that fails, else
    that of all. A process that is ended by a signal has it negative.

    torchrun does the same, but kills its processes 30 seconds after it was asked to end; a step may take longer.
    """
    (folder / ERROR).unlink(missing_ok=True)
    with FileLock(folder / RANKS_LOCK):  # processes whose parent was killed may still be saving a state
        pass
    surroundings = {
        "OMP_NUM_THREADS": str(threads),  # accelerate would set another number
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    command = [sys.executable, "-m", "harness.training", str(folder)]
    children = [
        subprocess.Popen(command, env={**os.environ, **surroundings, "RANK": str(n), "LOCAL_RANK": str(n)})
        for n in range(processes)
    ]

    def pass_on(number: int, _: object) -> None:
        for child in children:
            child.send_signal(number)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, pass_on)
    first: int | None = None  # of those that failed: the others lose their connection to it
    while any(child.poll() is None for child in children) and first is None:
        first = min(_failed(children), default=None)
        time.sleep(0.1 if first is None else 1)  # the others may be about to say the same
    if first is not None:
        for child in children:
            child.kill()  # they wait for the one that is gone
    statuses = [child.wait() for child in children]
    return AGAIN if AGAIN in statuses else first or min(_failed(children), default=max(statuses))


def _failed(children: list[subprocess.Popen[bytes]]) -> list[int]:
    """Exit statuses of those that failed, signals first."""
    return [status for child in children if (status := child.poll()) not in (None, 0, INTERRUPTED)]  # type: ignore[misc]


def _free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
