"""The store: whole artifacts by content address. Look up, lock, publish once, verify, discard.

An artifact is a folder with `manifest.json`, which holds the SHA-256 of every file and was written last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.files import SHORT, FileDigests, Json, disk_errors_explained, sha256, short, sync
from harness.store.locks import Holder, disk_lock, holders

Kind = Literal["checkpoints", "answers", "evaluations"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MANIFEST = "manifest.json"
UNFINISHED = (".partial", ".removed")  # endings of folders that are being made or removed


@dataclass(frozen=True)
class Artifact:
    """A published folder and its manifest."""

    kind: Kind
    key: str
    path: Path
    manifest: Json

    @property
    def spec(self) -> Json:
        """All that the key was computed from."""
        return dict(self.manifest["spec"])

    @property
    def record(self) -> Json:
        """What was noted while it was made: counts, seconds, environment."""
        return dict(self.manifest["record"])

    @property
    def files(self) -> Json:
        """File name -> its `sha256` and `bytes`."""
        return dict(self.manifest["files"])

    @property
    def created_at(self) -> str:
        """UTC, ISO 8601."""
        return str(self.manifest["created_at"])

    @property
    def short(self) -> str:
        return short(self.key)

    @property
    def name(self) -> str:
        """For people: 'checkpoint 3f9c21ab'."""
        return f"{singular(self.kind)} {self.short}"

    @property
    def bytes(self) -> int:
        return sum(int(file["bytes"]) for file in self.files.values())


class Store:
    """Artifacts below one folder, safe for concurrent sessions.

    Several projects may share them. `project` says whose sessions and baselines are meant; None: everyone's.
    """

    def __init__(self, root: Path, project: str | None = None) -> None:
        self.root, self.project = root, project
        self.where = str(root)  # for people
        self.unsent: list[str] = []  # names of artifacts that wait to be sent to other machines
        self.digests = FileDigests(root / "digests.json")
        self._sound: dict[Path, tuple[int, Artifact]] = {}  # verified by this process, with the manifest's mtime

    def get(self, kind: Kind, key: str) -> Artifact | None:
        """The artifact, or None; StoreError where its files differ from those that were published."""
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
        problem = problem_with(artifact, self.digests.of, self._here(artifact))
        if problem:
            raise self._damaged(kind, key, problem)
        self._sound[path] = written, artifact
        return artifact

    def holds(self, kind: Kind, key: str) -> bool:
        """Whether the artifact is published; its files are not checked."""
        return (self.root / kind / key / MANIFEST).exists()

    def verify(self, kind: Kind, key: str) -> str | None:
        """What is wrong with an artifact when every byte is read again, or None."""
        path = self.root / kind / key
        try:
            manifest = _manifest(path)
        except (OSError, ValueError):
            return f"{MANIFEST} is missing or not a whole manifest"
        artifact = Artifact(kind, key, path, manifest)
        return problem_with(artifact, sha256, list(artifact.files))

    def bring(self, artifacts: Iterable[Artifact], weights: bool = False) -> None:
        """Have the artifacts' files in their folders; large files of checkpoints only with `weights`. They are here."""

    def shared(self, name: str) -> Path:
        """The folder in which all sessions keep files of that sort, `sessions` or `baselines`, as it is now."""
        return self.root / name

    def share(self, file: Path) -> None:
        """Let the other machines have a file that was written into such a folder. All that see this one have it."""

    def _here(self, artifact: Artifact) -> list[str]:
        """Names of its files that have to be on this machine."""
        return list(artifact.files)

    def _damaged(self, kind: Kind, key: str, problem: str) -> StoreError:
        return StoreError(
            f"{singular(kind)} {short(key)} is damaged: {problem} ({self.root / kind / key}).",
            f"Restore the file, or run `harness store prune --damaged {short(key)}` to have it made anew.",
        )

    def all(self, kind: Kind) -> Iterator[Artifact]:
        """Every published artifact of a kind that has a readable manifest, oldest first."""
        found = []
        for key in self.keys(kind):
            try:
                found.append(Artifact(kind, key, self.root / kind / key, _manifest(self.root / kind / key)))
            except (OSError, ValueError):
                continue  # `verify` names it
        yield from sorted(found, key=lambda a: a.created_at)

    def keys(self, kind: Kind) -> list[str]:
        """Keys of all artifacts of a kind, including damaged ones."""
        return sorted(path.name for path in (self.root / kind).glob("*") if path.suffix not in UNFINISHED)

    def work(self, kind: Kind, key: str) -> Path:
        """The sibling folder in which the artifact is made; what an interrupted session left there is resumed."""
        path = self.root / kind / f"{key}.partial"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def begun(self, kind: Kind) -> list[str]:
        """Keys of the artifacts that are being made, or whose making was interrupted."""
        return sorted(path.stem for path in (self.root / kind).glob("*.partial"))

    def abandon(self, kind: Kind, key: str) -> None:
        """Delete the folder of an artifact that was never finished, unless a session is making it now."""
        with suppress(Timeout), FileLock(self.root / "locks" / f"{key}.lock", timeout=0):
            shutil.rmtree(self.root / kind / f"{key}.partial", ignore_errors=True)

    def publish(self, kind: Kind, key: str, made: Path, spec: Json, record: Json) -> Artifact:
        """Write the manifest of the folder `made`, and publish it by one rename; then delete the working folder."""
        with disk_errors_explained(f"publishing {singular(kind)} {short(key)}"):
            return self._place(kind, key, made, sealed(kind, key, made, spec, record))

    def _place(self, kind: Kind, key: str, made: Path, manifest: Json) -> Artifact:
        """Give a sealed folder its name."""
        target = self.root / kind / key
        target.parent.mkdir(parents=True, exist_ok=True)
        made.rename(target)
        sync(target.parent)
        shutil.rmtree(self.root / kind / f"{key}.partial", ignore_errors=True)
        for name in manifest["files"]:
            self.digests.of(target / name)
        return Artifact(kind, key, target, manifest)

    def lock(
        self,
        key: str,
        who: str,
        waiting: Callable[[str], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> AbstractContextManager[None]:
        """Hold the lock of a key. Where another session holds it, `waiting` is called once with the name of the holder.

        Raises StoreError once `stopped` returns True while waiting.
        """
        return disk_lock(self.root / "locks", key, who, waiting, stopped)

    def held(self) -> list[Holder]:
        """Who holds locks now; notes of killed sessions are ignored."""
        return holders(self.root / "locks")

    def discard(self, keys: Iterable[str], unfinished: bool = False) -> None:
        """Delete all artifacts with these keys; each is renamed first, so that readers never see a part of one.

        `unfinished`: in a bucket also what was sent of artifacts that never became whole.
        """
        for key in keys:
            for kind in KINDS:
                target = self.root / kind / key
                doomed = target.with_name(f"{key}.removed")
                shutil.rmtree(doomed, ignore_errors=True)  # left by a removal that was killed
                if target.exists():
                    target.rename(doomed)
                    shutil.rmtree(doomed)


def sealed(kind: Kind, key: str, made: Path, spec: Json, record: Json) -> Json:
    """The manifest of a finished folder, written into it after all its files are on the disk."""
    files = {}
    for file in sorted(p for p in made.rglob("*") if p.is_file() and p.name != MANIFEST):
        sync(file)
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
    sync(made / MANIFEST)
    for name in files:  # safetensors gives its files to their owner alone, whatever the umask says
        (made / name).chmod((made / MANIFEST).stat().st_mode)
    return manifest


def problem_with(artifact: Artifact, hash_file: Callable[[Path], str], names: Iterable[str]) -> str | None:
    """What is wrong with the files of these names, or None."""
    for name in names:
        file, published = artifact.path / name, artifact.files[name]
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != published["bytes"]:
            return f"{name} has {file.stat().st_size:,} bytes, and was published with {published['bytes']:,}"
        found = hash_file(file)
        if found != published["sha256"]:
            return f"{name} was altered: SHA-256 {found[:SHORT]} now, {published['sha256'][:SHORT]} when published"
    return None


def singular(kind: Kind) -> str:
    """A kind's name for one artifact."""
    return {"checkpoints": "checkpoint", "answers": "set of answers", "evaluations": "evaluation"}[kind]


def _manifest(path: Path) -> Json:
    """An artifact's manifest; ValueError where it is not a whole one."""
    return whole_manifest((path / MANIFEST).read_text())


def whole_manifest(text: str) -> Json:
    """The manifest; ValueError where the text is not a whole one."""
    found = json.loads(text)
    if not isinstance(found, dict) or not {"files", "spec", "record", "created_at"} <= found.keys():
        raise ValueError("not a whole manifest")
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in found["files"]):
        raise ValueError("a manifest that names files outside of its folder")
    return found
