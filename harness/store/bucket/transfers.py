"""What the session asks of the child process that moves bytes: listed, read, written, sent, fetched, deleted."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.environment import child_environment
from harness.errors import StoreError
from harness.files import Json

PATIENCE = 60.0  # seconds in which the child repeats what may pass
SLOWEST = 100_000  # bytes per second; a transfer that is slower is given up
TRIES = 2  # children that may die under one request
REMEDIES = {
    "credentials": "Log in as that cloud's tools do: for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws configure`.",
    "denied": "Check that these credentials may list, read, write and delete there.",
    "clock": "Set this machine's clock.",
    "missing": "Make the bucket first, or correct --store.",
    "url": "Correct the bucket's name, its region (AWS_DEFAULT_REGION) or its server (AWS_ENDPOINT_URL).",
    "gone": "`harness store verify` says what else is missing; `harness store prune --damaged` has it made anew.",
    "library": "Install what it needs: pip install 'harness[s3]' for s3://, gcsfs for gs://, adlfs for az://.",
    "damaged": "Try again; if it stays, `harness store verify` names the file.",
    "cache": "Make that folder one that can be written, or set XDG_CACHE_HOME to another.",
    "full": "Free some space, then run again: it continues.",
    "busy": "Run again when it can be reached; nothing is lost.",
    "exists": "Run again.",
}


class Refused(StoreError):
    """A request that came to nothing, for good; `kind` is a key of REMEDIES."""

    def __init__(self, url: str, doing: str, kind: str, words: str) -> None:
        super().__init__(f"{doing} {url}: {'the disk is full: ' if kind == 'full' else ''}{words}", REMEDIES[kind])
        self.kind = kind


class Entry(NamedTuple):
    """One file in a bucket."""

    key: str
    bytes: int
    version: str  # another when it was written anew
    modified: float | None  # seconds since 1970, by the bucket's clock


class Transfers:
    """Requests to one bucket. Any thread may ask; all are carried out side by side."""

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self.url, self.patience = url, patience
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._moving = 0  # bytes of transfers under way

    def entries(self, below: str = "") -> list[Entry]:
        """Every file below a key."""
        return [Entry(*entry) for entry in self.ask("listing", do="entries", below=below).result()]

    def read(self, key: str) -> str | None:
        """The text of a small file, or None."""
        found = self.ask(f"reading {key} of", do="read", key=key).result()
        return None if found is None else str(found)

    def write(self, key: str, text: str) -> None:
        """Write a small file, over an earlier one."""
        self.ask(f"writing {key} to", do="write", key=key, text=text).result()

    def create(self, key: str, text: str) -> bool:
        """Write a small file in one step, unless another is there; whether it was written."""
        return bool(self.ask(f"writing {key} to", do="create", key=key, text=text).result())

    def send(self, files: dict[str, Path]) -> None:
        """Copy files of this machine to these keys."""
        asked = [
            self.ask(f"sending {file.name} to", file.stat().st_size, do="send", key=key, file=str(file))
            for key, file in files.items()
        ]
        _all_ended(asked)

    def fetch(self, files: dict[str, tuple[Path, str, int]]) -> None:
        """Copy the files with these keys to this machine: key -> path, SHA-256, bytes."""
        asked = [
            self.ask(f"fetching {path.name} from", size, do="fetch", key=key, file=str(path), digest=digest)
            for key, (path, digest, size) in files.items()
        ]
        _all_ended(asked)

    def digest(self, key: str, size: int) -> str | None:
        """SHA-256 of the bytes as they are in the bucket now; None where there is no such file."""
        found = self.ask(f"reading {key} of", size, do="digest", key=key).result()
        return None if found is None else str(found)

    def delete(self, keys: list[str]) -> None:
        """Delete files."""
        for start in range(0, len(keys), 1000):  # as many as S3 takes at once
            self.ask("deleting in", do="delete", keys=keys[start : start + 1000]).result()

    def ask(self, doing: str, moved: int = 0, **request: Any) -> Request:
        """Begin a request that moves so many bytes; its result can be waited for later."""
        with self._lock:
            self._moving += moved
            seconds = 2 * self.patience + self._moving / SLOWEST  # it may wait for all others
        return Request(self, doing, request, (moved, seconds))

    def ended(self, moved: int) -> None:
        """A transfer of so many bytes has ended."""
        with self._lock:
            self._moving -= moved

    def child(self) -> _Child:
        """The running child; a fresh one where it died."""
        with self._lock:
            if self._child is None or not self._child.alive:
                self._child = _Child(self.url, self.patience)
            return self._child

    def close(self, child: _Child | None = None) -> None:
        """End the child, or that one if it is still asked."""
        with self._lock:
            if self._child is not None and child in (None, self._child):
                self._child.end()
                self._child = None


class Request:
    """One request under way."""

    def __init__(self, transfers: Transfers, doing: str, request: Json, limits: tuple[int, float]) -> None:
        self.transfers, self.doing, self.request = transfers, doing, request
        self.moved, self.seconds = limits
        self.child = transfers.child()
        self.future = self.child.ask(request)

    def result(self) -> Any:
        """What came back; raises Refused. A child that died is replaced, and asked again."""
        try:
            reply = self._reply()
        finally:
            self.transfers.ended(self.moved)
        if "refused" in reply:
            raise self._refused(*reply["refused"])
        return reply["ok"]

    def _reply(self) -> Json:
        for number in range(TRIES):
            if number:
                self.child = self.transfers.child()
                self.future = self.child.ask(self.request)
            try:
                reply = self.future.result(self.seconds)
            except Late:
                self.transfers.close(self.child)
                raise self._refused("busy", f"no answer within {self.seconds:.0f} seconds") from None
            if reply is not None:
                return reply
        raise self._refused("busy", "the process that moves bytes died")

    def _refused(self, kind: str, words: str) -> Refused:
        return Refused(self.transfers.url, self.doing, kind, words)


def _all_ended(requests: list[Request]) -> None:
    """Wait for all, so that none is under way any more; then raise the first error."""
    refused = []
    for one in requests:
        try:
            one.result()
        except Refused as error:
            refused.append(error)
    if refused:
        raise refused[0]


class _Child:
    """A running `python -m harness.store.bucket`. A reply is None where it died before it answered."""

    def __init__(self, url: str, patience: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.store.bucket", url, str(patience)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=child_environment(), text=True, encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches the session, which finishes what it has begun to send
        )  # fmt: skip
        self.waiting: dict[int, Future[Json | None]] = {}
        self.lock, self.count, self.dead = threading.Lock(), 0, False
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        return not self.dead and self.process.poll() is None

    def ask(self, request: Json) -> Future[Json | None]:
        """Hand it a request."""
        future: Future[Json | None] = Future()
        assert self.process.stdin is not None
        with self.lock:
            if self.dead:
                future.set_result(None)
                return future
            self.count += 1
            self.waiting[self.count] = future
            try:
                self.process.stdin.write(json.dumps({"id": self.count, **request}) + "\n")
                self.process.stdin.flush()
            except (OSError, ValueError):
                self.dead = True
                self.waiting.pop(self.count, None)
                future.set_result(None)
        return future

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            reply = json.loads(line)
            with self.lock:
                future = self.waiting.pop(reply["id"], None)
            if future is not None:
                future.set_result(reply)
        with self.lock:
            self.dead = True  # before anybody learns of it and asks the next one
            left, self.waiting = list(self.waiting.values()), {}
        for future in left:
            future.set_result(None)

    def end(self) -> None:
        """End it at once."""
        atexit.unregister(self.end)
        self.process.kill()
        self.process.wait()
        with suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
