"""The store: whole artifacts by content address. Look up, lock, publish once, verify, prune.

An artifact is a folder with `manifest.json`, which holds the SHA-256 of every file and was written last.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.fingerprint import SHORT, FileDigests, sha256

Kind = Literal["checkpoints", "evaluations", "verdicts"]
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A published folder and its manifest."""

    kind: Kind
    key: str
    path: Path
    manifest: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        """All that the key was computed from."""
        return dict(self.manifest["spec"])

    @property
    def record(self) -> dict[str, Any]:
        """What was noted while it was made: counts, seconds, environment."""
        return dict(self.manifest["record"])

    @property
    def short(self) -> str:
        return self.key[:SHORT]

    @property
    def bytes(self) -> int:
        return sum(int(file["bytes"]) for file in self.manifest["files"].values())


class Store:
    """Artifacts below one folder, safe for concurrent sessions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests = FileDigests(root / "digests.json")
        self._sound: dict[Path, tuple[int, Artifact]] = {}  # found whole by this process, by the manifest's mtime

    def get(self, kind: Kind, key: str) -> Artifact | None:
        """The artifact, or None; StoreError where its files are not those that were published."""
        path = self.root / kind / key
        try:
            written = (path / MANIFEST).stat().st_mtime_ns
            if path in self._sound and self._sound[path][0] == written:
                return self._sound[path][1]
            manifest = _manifest(path)
        except FileNotFoundError:
            if path.exists():
                raise self._damaged(kind, key, f"{MANIFEST} is missing") from None
            return None
        except ValueError:
            raise self._damaged(kind, key, f"{MANIFEST} is not a whole manifest") from None
        artifact = Artifact(kind, key, path, manifest)
        problem = self.problem(artifact, lambda file: self.digests.of(file))
        if problem:
            raise self._damaged(kind, key, problem)
        self._sound[path] = written, artifact
        return artifact

    def problem(self, artifact: Artifact, hash_file: Callable[[Path], str] = sha256) -> str | None:
        """What is wrong with an artifact's files, or None. By default every byte is read again."""
        for name, published in artifact.manifest["files"].items():
            file = artifact.path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != published["bytes"]:
                return f"{name} has {file.stat().st_size:,} bytes, and was published with {published['bytes']:,}"
            found = hash_file(file)
            if found != published["sha256"]:
                return f"{name} was altered: SHA-256 {found[:SHORT]} now, {published['sha256'][:SHORT]} when published"
        return None

    def verify(self, kind: Kind, key: str) -> str | None:
        """What is wrong with an artifact when every byte is read again, or None."""
        path = self.root / kind / key
        try:
            manifest = _manifest(path)
        except (OSError, ValueError):
            return f"{MANIFEST} is missing or not a whole manifest"
        return self.problem(Artifact(kind, key, path, manifest))

    def _damaged(self, kind: Kind, key: str, problem: str) -> StoreError:
        return StoreError(
            f"{kind[:-1]} {key[:SHORT]} is damaged: {problem} ({self.root / kind / key}).",
            f"Restore the file, or run `harness store prune --damaged {key[:SHORT]}` to have it made anew.",
        )

    def all(self, kind: Kind) -> Iterator[Artifact]:
        """Every published artifact of a kind that has a readable manifest, oldest first."""
        found = []
        for path in (p.parent for p in (self.root / kind).glob("*/" + MANIFEST) if p.parent.suffix != ".removed"):
            try:
                found.append(Artifact(kind, path.name, path, _manifest(path)))
            except ValueError:
                continue  # `verify` names it
        yield from sorted(found, key=lambda a: a.manifest["created_at"])

    def work(self, kind: Kind, key: str) -> Path:
        """The sibling folder in which the artifact is made; what is found there is resumed."""
        path = self.root / kind / f"{key}.partial"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def publish(self, kind: Kind, key: str, made: Path, spec: dict[str, Any], record: dict[str, Any]) -> Artifact:
        """Give the folder `made` its manifest and its name, in one rename; then drop its working folder."""
        target = self.root / kind / key
        with told_when_full(f"publishing {kind[:-1]} {key[:SHORT]}"):
            files = {}
            for file in sorted(p for p in made.rglob("*") if p.is_file() and p.name != MANIFEST):
                _sync(file)
                files[str(file.relative_to(made))] = {"sha256": sha256(file), "bytes": file.stat().st_size}
            manifest = {
                "kind": kind,
                "key": key,
                "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "files": files,
                "spec": spec,
                "record": record,
            }
            (made / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
            _sync(made / MANIFEST)
            target.parent.mkdir(parents=True, exist_ok=True)
            made.rename(target)
            _sync(target.parent)
        shutil.rmtree(self.root / kind / f"{key}.partial", ignore_errors=True)
        for name in files:
            self.digests.of(target / name)
        return Artifact(kind, key, target, manifest)

    @contextmanager
    def lock(
        self,
        key: str,
        who: str,
        waiting: Callable[[str], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold the one lock of a key; while another session holds it, `waiting` is told whose it is.

        Raises StoreError once `stopped` says that nobody wants it any more.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock, holder = FileLock(folder / f"{key}.lock"), folder / f"{key}.json"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                waiting(_holder(holder))
            while not lock.is_locked:
                if stopped and stopped():
                    raise StoreError(f"{who}: stopped while waiting for {_holder(holder)}.") from None
                with suppress(Timeout):
                    lock.acquire(timeout=0.5)
        try:
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "for": who}))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def held(self) -> list[Path]:
        """The notes of those locks that some session holds now; a killed session's are passed over."""
        found = []
        for holder in sorted((self.root / "locks").glob("*.json")):
            try:
                with FileLock(holder.with_suffix(".lock"), timeout=0):
                    pass
            except Timeout:
                if holder.exists():
                    found.append(holder)
        return found

    def remove(self, kind: Kind, key: str) -> None:
        """Delete an artifact, renamed away first, so no half is ever seen; what is being made anew stays."""
        target = self.root / kind / key
        doomed = target.with_name(f"{key}.removed")
        shutil.rmtree(doomed, ignore_errors=True)  # of a removal that was killed
        if target.exists():
            target.rename(doomed)
            shutil.rmtree(doomed)


@contextmanager
def told_when_full(doing: str) -> Iterator[None]:
    """Turn a full disk or a read-only folder into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"{doing}: the disk is full.", "Free some space (`harness store prune`), then run again: it continues."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StoreError(
                f"{doing}: {error.filename} cannot be written ({error.strerror}).", "Choose another --store."
            ) from error
        raise


def _manifest(path: Path) -> dict[str, Any]:
    """An artifact's manifest; ValueError where it is not a whole one."""
    found = json.loads((path / MANIFEST).read_text())
    if not isinstance(found, dict) or not {"files", "spec", "record", "created_at"} <= found.keys():
        raise ValueError(path)
    return found


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"{holder['for']} (process {holder['pid']} on {holder['host']})"
    except (OSError, ValueError, KeyError):
        return "another session"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
