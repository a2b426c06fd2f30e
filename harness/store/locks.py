"""Locks that processes hold on a disk, each with a note of who holds it. A process that ends lets go of its locks."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.files import write_whole


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    key: str  # of the lock
    process: int
    host: str
    job: str

    def __str__(self) -> str:
        return f"{self.job} (process {self.process} on {self.host})"


@contextmanager
def disk_lock(
    folder: Path,
    key: str,
    who: str,
    waiting: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Iterator[None]:
    """Hold the lock of a key in the folder, from any thread. Where another process holds it, `waiting` is told which.

    Raises StoreError once `stopped` returns True while waiting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(folder / f"{key}.lock", thread_local=False), folder / f"{key}.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            waiting(_holder_words(note))
        while not lock.is_locked:
            if stopped and stopped():
                raise StoreError(f"{who}: stopped while waiting for {_holder_words(note)}.") from None
            with suppress(Timeout):
                lock.acquire(timeout=0.5)
    try:
        write_whole(note, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "for": who}))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holders(folder: Path) -> list[Holder]:
    """Who holds locks in the folder now; notes of killed processes are ignored."""
    found = []
    for note in sorted(folder.glob("*.json")):
        try:
            with FileLock(note.with_suffix(".lock"), timeout=0):
                pass
        except Timeout:
            holder = _holder(note)
            found += [holder] if holder else []
    return found


def _holder(note: Path) -> Holder | None:
    try:
        found = json.loads(note.read_text())
        return Holder(note.stem, int(found["pid"]), str(found["host"]), str(found["for"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holder_words(note: Path) -> str:
    return str(_holder(note) or "another session")
