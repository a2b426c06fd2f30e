"""A node's side of the cluster: a folder like a store's, and the worker in it. Ray makes an actor of it, one for a slot.

What crosses is plain: names below the folder, bytes, numbers. Every method may be called again after a lost answer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from harness.environment import LIBRARIES, PACKAGE, computes_bfloat16, version_of
from harness.files import cache_folder, sha256
from harness.jobs.pool import WorkerPool
from harness.jobs.process import Worker

WHOLE = ("complete.json", "record.json", "error.json", "ended.json")  # each says that files beside it are whole
UNFINISHED = ("making", "trainer")  # folders in a training's: one is renamed when it is whole, one holds saved states

Listing = list[tuple[str, int, int]]  # name below the folder, bytes, time of the last change in nanoseconds


class Node:
    """One slot of a cluster, with a folder of its own. Slots on one machine share the files that are sent to it."""

    def __init__(self, session: str) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray sets it; each task says how many threads it computes with
        self.nodes = cache_folder() / "nodes" / socket.gethostname()  # machines may share their users' homes
        self.shared = self.nodes / session
        self.own = self.root = self.shared / uuid.uuid4().hex
        self.lock = FileLock(self.own.with_suffix(".lock"))
        self.nodes.mkdir(parents=True, exist_ok=True)
        with FileLock(self.nodes / "begin.lock"):
            self.own.mkdir(parents=True)
            self.lock.acquire()
            _remove_abandoned(self.nodes)
        self.pool = WorkerPool()
        self.workers: dict[str, Worker] = {}
        self.digests: dict[str, str] = {}  # of files that the session has too

    def about(self, device: str) -> dict[str, str | None]:
        """The machine's name, Ray's name for it, the digest of its code, its library versions, whether its GPU has bfloat16."""
        versions = {name: version_of(name) for name in LIBRARIES}
        narrow = str(computes_bfloat16(device)) if device.startswith("cuda") else ""
        return {"host": socket.gethostname(), "node": ray_node(), "code": code_digest(), "bfloat16": narrow, **versions}

    def sees(self, path: str, size: int, digest: str) -> bool:
        """Whether that file is here with so many bytes and that SHA-256: a file of one's own may have the same name."""
        if _size(Path(path)) != size:
            return False
        if path not in self.digests:  # weights are read once
            self.digests[path] = sha256(Path(path))
        return self.digests[path] == digest

    def work_below(self, root: str) -> None:
        """Work in the session's own store, which this machine sees."""
        self.root = Path(root)

    def place(self, name: str) -> str:
        """Where a file that was sent to this machine is."""
        return str(self.shared / name)

    def lacks(self, files: list[tuple[str, int]]) -> list[str]:
        """Which of these files, sent to this machine for all its slots, are not here with so many bytes."""
        return [name for name, size in files if _size(self.shared / name) != size]

    def link(self, folder: str, name: str) -> None:
        """Have a folder that was sent to this machine below that name of the slot's own folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink():
            path.symlink_to(self.shared / folder)

    def write(self, name: str, start: int, data: bytes, size: int, shared: bool = False) -> None:
        """Take a part of a file of `size` bytes; it gets its name with the last."""
        path = (self.shared if shared else self.root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{self.own.name}.part")
        if not part.exists() and start and _size(path) == size:
            return  # asked again: the last part was taken
        with part.open("r+b" if part.exists() else "wb") as file:
            file.seek(start)
            file.write(data)
            file.truncate(start + len(data))
        if start + len(data) >= size:
            part.replace(path)

    def clear(self, folder: str) -> None:
        """Remove a worker's folder, before it is sent or after its worker has ended."""
        worker = self.workers.pop(folder, None)
        if worker is not None and worker.running():
            worker.end()
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def files(self, folder: str) -> Listing:
        """The files of a worker's folder."""
        return listing(self.root / folder)

    def start(self, folder: str, module: str | None, device: str, name: str) -> None:
        """Have a worker work in the folder: a process of the module, or the warm model worker."""
        if folder in self.workers:
            return
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        if module is None:
            self.workers[folder] = self.pool.ask_model(path, device, name)
        else:
            self.workers[folder] = self.pool.run(module, path, device, name)

    def look(self, folder: str) -> tuple[int | None, Listing]:
        """The worker's exit status, None while it runs, and the files as they are after that was asked."""
        status = self.workers[folder].status_now()
        return status, listing(self.root / folder)

    def read(self, name: str, start: int, size: int) -> bytes | None:
        """A part of a file; None where it is gone."""
        try:
            with (self.root / name).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError:
            return None

    def stop(self) -> None:
        """Ask its worker to leave a resumable state and end."""
        for worker in self.workers.values():
            worker.stop()

    def forget(self, folder: str) -> None:
        """The worker has ended, and all it wrote is with the session."""
        self.workers.pop(folder, None)

    def end(self) -> None:
        """End what is warm, and leave nothing behind."""
        self.pool.let_go()
        self.lock.release()
        with FileLock(self.nodes / "begin.lock"):
            _remove_abandoned(self.nodes)


def listing(folder: Path) -> Listing:
    """Every file below a worker's folder, saved states only once they are whole."""
    found = []
    # What says that others are whole is looked for first: if it is there, the others are seen as they stay.
    paths = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    for path in sorted(paths, key=lambda one: (one.name not in WHOLE, one)):
        name = path.relative_to(folder)
        if path.suffix in (".tmp", ".part", ".lock") or not _finished(folder, name):
            continue
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        found.append((str(name), stat.st_size, stat.st_mtime_ns))
    return found


def _finished(folder: Path, name: Path) -> bool:
    """Whether a file is not within a folder that is still being written."""
    if name.parts[0] not in UNFINISHED:
        return True
    return name.parts[0] == "trainer" and len(name.parts) > 2 and (folder / Path(*name.parts[:2]) / WHOLE[0]).exists()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _remove_abandoned(nodes: Path) -> None:
    """Remove folders of slots whose process is gone, and sessions' folders in which no slot is left."""
    for lock in nodes.glob("*/*.lock"):
        try:
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except Timeout:
            continue
    for session in nodes.iterdir():
        if session.is_dir() and not list(session.glob("*.lock")):
            shutil.rmtree(session, ignore_errors=True)


def ray_node() -> str:
    """Ray's name of this machine; empty outside of a cluster."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_node_id()) if ray is not None and ray.is_initialized() else ""


def code_digest() -> str:
    """SHA-256 of this package's code and data."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
