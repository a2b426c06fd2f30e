"""One worker's folder on a node, and the same folder here: sent before it starts, fetched while and after it works."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import WorkerFailed
from harness.files import sha256
from harness.jobs.ray.needed import Message, files_in, keys_in, moved
from harness.jobs.ray.node import WHOLE, Listing
from harness.worker.messages import REQUEST, TASK, encoded, receive

PART = 2**25  # bytes of a file that cross at once
GROWING = (".log", ".jsonl")  # files that are only added to; others are replaced whole
NOT_SENT = ("error.json", "ended.json", "worker.lock", "ranks.lock")  # of an earlier worker
VISIBLE_WITHIN = 60.0  # seconds in which a shared disk shows here what a node has written

Call = Callable[..., Any]  # call("name of a Node's method", *arguments) -> its result


class SharedDisk:
    """A folder that the node sees as it is here."""

    def __init__(self, call: Call, store: Path, folder: Path) -> None:
        self.call, self.store, self.folder = call, store, folder
        self.there = str(folder.relative_to(store))

    def send(self) -> None:
        """Nothing has to be sent; what lies outside of the store has to be the same there."""
        for file in files_in(receive(message_of(self.folder))):
            if not self.call("sees", str(file), file.stat().st_size, sha256(file)):
                raise WorkerFailed(
                    f"{file} is not the same on {self.call('about', 'cpu')['host']}, which sees this session's store.",
                    "Put it on the disk that they share, or have everything copied: HARNESS_RAY_COPY=1.",
                )

    def update(self, files: Listing, ended: bool) -> None:
        """After the worker's end, wait until all it wrote is visible here: a network's disk may be behind."""
        deadline = time.monotonic() + VISIBLE_WITHIN
        while left := [name for name, size, _ in files if ended and not _is_here(self.folder / name, size)]:
            os.listdir(self.folder)  # has a network's disk ask its server again
            if time.monotonic() > deadline:
                raise WorkerFailed(
                    f"{self.folder / left[0]} was written on another machine, and is not as it was written here.",
                    "The disk that they share is not the same for both; have everything copied: HARNESS_RAY_COPY=1.",
                )
            time.sleep(0.1)
            files = self.call("files", self.there)  # the session may have read and removed some meanwhile


class Mirror:
    """A folder that is copied to the node, and what changes there is copied back."""

    def __init__(self, call: Call, store: Path, folder: Path) -> None:
        self.call, self.store, self.folder = call, store, folder
        self.there = str(folder.relative_to(store))
        self.known: dict[str, tuple[int, int]] = {}  # files there as they are here: bytes, time of the last change

    def send(self) -> None:
        """The folder, in place of what was there; and weights and files that the worker reads, unless they are there."""
        message: Message = receive(message_of(self.folder))
        for key in keys_in(message):
            weights = self.store / "checkpoints" / key
            self._share([(path, f"checkpoints/{key}/{path.relative_to(weights)}") for path in _files(weights)])
            self.call("link", f"checkpoints/{key}", f"checkpoints/{key}")
        self._share([(path, _outside(path)) for path in files_in(message)])
        self.call("clear", self.there)
        there = moved(message, lambda path: self.call("place", _outside(path)))
        for path in _files(self.folder):
            name = f"{self.there}/{path.relative_to(self.folder)}"
            if path == message_of(self.folder):
                text = encoded(there).encode()
                self.call("write", name, 0, text, len(text))
            elif path.name not in NOT_SENT:
                self._send(path, name)
        self.known = {name: (size, at) for name, size, at in self.call("files", self.there)}

    def update(self, files: Listing, ended: bool) -> None:
        """Fetch what has changed; files that say that others are whole after those. Then remove what is gone there."""
        changed = [(name, size, at) for name, size, at in files if self.known.get(name) != (size, at)]
        for name, size, at in sorted(changed, key=lambda one: (Path(one[0]).name in WHOLE, one[0])):
            if self._fetch(name, size):
                self.known[name] = size, at
        left = {name for name, *_ in files}
        kept = self._newest_state()
        for name in [name for name in self.known if name not in left and _state(name) != kept]:
            del self.known[name]
            (self.folder / name).unlink(missing_ok=True)
            _remove_empty((self.folder / name).parent, self.folder)

    def _newest_state(self) -> str | None:
        """The newest saved state that is whole here: it stays until a newer one is, though it may be gone there."""
        marked = [_state(name) for name in self.known if Path(name).name == WHOLE[0]]
        return max(filter(None, marked), key=lambda name: int(name.rpartition("-")[2]), default=None)

    def _share(self, files: list[tuple[Path, str]]) -> None:
        """Send files that all slots of the machine use."""
        lacking = set(self.call("lacks", [(name, path.stat().st_size) for path, name in files]))
        for path, name in files:
            if name in lacking:
                self._send(path, name, shared=True)

    def _send(self, path: Path, name: str, shared: bool = False) -> None:
        size = path.stat().st_size
        with path.open("rb") as file:
            for start in range(0, max(size, 1), PART):
                self.call("write", name, start, file.read(PART), size, shared)

    def _fetch(self, name: str, size: int) -> bool:
        """Fetch a file; False where it has gone or shrunk meanwhile, or is replaced whole by a longer one, of which this would
        be the beginning. Of those that only grow, a beginning is what was asked for.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part, got = path.with_name(f"{path.name}.part"), 0
        with part.open("wb") as file:
            for start in range(0, size, PART):
                got += file.write(self.call("read", f"{self.there}/{name}", start, min(PART, size - start)) or b"")
        whole = got == size and (path.suffix in GROWING or not self.call("read", f"{self.there}/{name}", size, 1))
        if whole:
            part.replace(path)
        part.unlink(missing_ok=True)
        return whole


def _state(name: str) -> str | None:
    """The saved state's folder that a file is in: trainer/checkpoint-20."""
    parts = Path(name).parts
    return "/".join(parts[:2]) if parts[0] == "trainer" and len(parts) > 2 else None


def message_of(folder: Path) -> Path:
    """The file of a worker's folder that says what it is to do."""
    return folder / (TASK if (folder / TASK).exists() else REQUEST)


def _outside(path: Path) -> str:
    """The name below a machine's folder of a file outside of the store; files keep their places to each other."""
    return f"files{os.path.abspath(path)}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_here(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove the folder and those above it that are empty, below the root."""
    while folder != root and folder.is_dir() and not any(os.scandir(folder)):
        folder.rmdir()
        folder = folder.parent
