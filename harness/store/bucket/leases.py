"""Leases in a bucket: one machine makes an artifact, the others wait, and one that died is not waited for.

A lease is the file `leases/KEY/N.json`. Its owner writes it anew every few seconds. Whoever waits watches it by a clock
of its own; when it has not changed for `LEASE` seconds, its owner is taken to be dead, and the one that creates
N + 1 first is the next owner. So no two clocks need agree.

The newest file stays when a lease is given back, marked as free. So numbers only rise, and a request to delete an
earlier file that is repeated, because its answer was lost, never meets the file of the next owner.

A lease only saves work. An owner that was cut off and comes back makes the same artifact a second time, and of two the
first that is published stays (see harness/store/bucket/store.py).
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from harness.errors import StoreError
from harness.store.bucket.transfers import Entry, Transfers
from harness.store.locks import Holder

LEASE_VARIABLE = "HARNESS_LEASE_SECONDS"
BEATS = 4  # signs of life within a lease's time
LOOKS = 12  # looks within that time, of one who waits
FOLDER = "leases"
FREE = json.dumps({"free": True})  # what is written over a lease that is given back


def lease_seconds() -> float:
    """Seconds without a sign of life, after which an owner is taken to be dead."""
    said = os.environ.get(LEASE_VARIABLE, "60")
    if not re.fullmatch(r"\d+(\.\d+)?", said) or float(said) < 1:
        raise StoreError(f"{LEASE_VARIABLE}={said}: it has to be a number of seconds, at least 1.")
    return float(said)


LEASE = lease_seconds()


@contextmanager
def leased(
    bucket: Transfers,
    key: str,
    who: str,
    waiting: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Iterator[None]:
    """Hold the lease of a key. Where another machine has it, `waiting` is told which.

    Raises StoreError once `stopped` returns True while waiting.
    """
    lease = _Lease(bucket, key, who)
    lease.take(waiting, stopped)
    ended = threading.Event()
    beating = threading.Thread(target=lease.beat_until, args=(ended,), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        with suppress(StoreError):  # it then ends by itself
            lease.give_back()


class _Lease:
    """One machine's claim to make one artifact."""

    def __init__(self, bucket: Transfers, key: str, who: str) -> None:
        self.bucket, self.key, self.who = bucket, key, who
        self.owner, self.beats, self.number = uuid4().hex, 0, 0

    def take(self, waiting: Callable[[str], None] | None, stopped: Callable[[], bool] | None) -> None:
        """Wait until it is ours."""
        seen, since = "", time.monotonic()
        told = False
        while True:
            newest = self._newest()
            text = (self.bucket.read(self._file(newest)) or "") if newest else ""
            if text != seen:
                seen, since = text, time.monotonic()
            is_free = not newest or text == FREE
            if is_free or time.monotonic() - since > max(LEASE, _lease_of(text)):
                if self._created(newest + 1, newest, seen):
                    return
            holder = _holder(self.key, text)
            if waiting and text not in ("", FREE) and not told:
                waiting(str(holder or "another machine"))
                told = True
            if stopped and stopped():
                raise StoreError(f"{self.who}: stopped while waiting for {holder or 'another machine'}.")
            time.sleep(LEASE / LOOKS)

    def _created(self, number: int, before: int, seen: str) -> bool:
        """Whether this lease is ours now: nobody created it first, and nobody lives behind the one before."""
        self.number = number
        if not self.bucket.create(self._file(number), self._text()):
            return False
        alive = bool(before) and self.bucket.read(self._file(before)) not in (None, seen)
        if alive or self._newest() > number:
            self.bucket.delete([self._file(number)])
            return False
        return True

    def beat_until(self, ended: threading.Event) -> None:
        """Show that the owner lives."""
        while not ended.wait(LEASE / BEATS):
            self.beats += 1
            with suppress(StoreError):
                if self._newest() <= self.number:
                    self.bucket.write(self._file(self.number), self._text())

    def give_back(self) -> None:
        """Let the next one in."""
        self.bucket.write(self._file(self.number), FREE)
        there = [entry.key for entry in self.bucket.entries(f"{FOLDER}/{self.key}")]
        self.bucket.delete([key for key in there if _number(key) < self.number])

    def _newest(self) -> int:
        return max((_number(entry.key) for entry in self.bucket.entries(f"{FOLDER}/{self.key}")), default=0)

    def _file(self, number: int) -> str:
        return f"{FOLDER}/{self.key}/{number}.json"

    def _text(self) -> str:
        said = {"owner": self.owner, "pid": os.getpid(), "host": socket.gethostname(), "for": self.who}
        return json.dumps({**said, "beats": self.beats, "at": time.time(), "lease": LEASE})


def holders(bucket: Transfers) -> list[Holder]:
    """Who holds leases now. One without a sign of life for three leases' time is left out, by the owner's clock."""
    newest: dict[str, Entry] = {}
    for entry in bucket.entries(FOLDER):
        key = entry.key.split("/")[1]
        if key not in newest or _number(entry.key) > _number(newest[key].key):
            newest[key] = entry
    found = []
    for key, entry in sorted(newest.items()):
        text = (bucket.read(entry.key) or "") if entry.bytes != len(FREE) else ""
        holder = _holder(key, text)
        if holder and time.time() - float(json.loads(text).get("at", 0)) < 3 * LEASE:
            found.append(holder)
    return found


def _lease_of(text: str) -> float:
    """The seconds that the owner says its lease holds without a sign of life."""
    try:
        return float(json.loads(text).get("lease", 0))
    except (ValueError, TypeError, AttributeError):
        return 0.0


def _number(key: str) -> int:
    found = re.search(r"/(\d+)\.json$", key)
    return int(found[1]) if found else 0


def _holder(key: str, text: str) -> Holder | None:
    try:
        said = json.loads(text)
        return Holder(key, int(said["pid"]), str(said["host"]), str(said["for"]))
    except (ValueError, KeyError, TypeError):
        return None
