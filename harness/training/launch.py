"""A training of several processes on one machine: started together, stopped together, ended by the first that fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from harness.worker.child import INTERRUPTED

AGAIN = 76  # exit status of a process after which all begin anew


def run_together(folder: Path, processes: int) -> int:
    """Train in `folder` by so many processes; the exit status of the first that fails, else that of all.

    torchrun does the same, but kills its processes 30 seconds after it was asked to end; a step may take longer.
    """
    surroundings = {
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
    while any(child.poll() is None for child in children):
        if _failed(children):
            time.sleep(1)  # the others may be about to say the same, or what lies behind it
            for child in children:
                child.kill()  # they wait for the one that is gone
            break
        time.sleep(0.1)
    statuses = [child.wait() for child in children]
    failed = [status for status in statuses if status not in (0, INTERRUPTED)]
    of_their_own = [status for status in failed if status != -signal.SIGKILL]
    return AGAIN if AGAIN in failed else next(iter([*of_their_own, *failed]), max(statuses))


def _failed(children: list[subprocess.Popen[bytes]]) -> bool:
    return any(child.poll() not in (None, 0, INTERRUPTED) for child in children)


def _free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
