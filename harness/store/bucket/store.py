"""A store in a bucket. A folder of this machine stands in front of it: all that reads files reads them there.

Sending: the files go first, below a name of their content, and the manifest last, created only where there is none. So
a manifest in the bucket means a whole artifact, and of two machines that made the same one the first is kept.
Fetching: one listing says what there is. Manifests come then, small files and evaluations when they are asked for, and
large files of checkpoints when a worker needs them; each gets its name once its SHA-256 is right.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from harness.errors import StoreError
from harness.files import Json, cache_folder, disk_errors_explained, short, write_whole
from harness.store.artifacts import KINDS, MANIFEST, Artifact, Kind, Store, sealed, singular, whole_manifest
from harness.store.bucket.layout import dated_now, file_key, files_of, without_end
from harness.store.bucket.leases import holders, leased
from harness.store.bucket.transfers import PATIENCE, Entry, Refused, Request, Transfers
from harness.store.locks import Holder

IDENTITY = "store.json"
SHARED = ("sessions", "baselines", "ratings")  # folders of files that all machines see
UNSENT = "unsent"  # folder of the cache: a file KIND-KEY for each artifact that the bucket could not be given
RECORDS = ("training_log.jsonl", "held_out_losses.json")  # of a checkpoint: the session reads them
SMALL = 2**20  # bytes; other files of checkpoints that are larger are fetched for workers only
TICK = 0.05  # seconds; files are dated by a clock that advances in steps


class BucketStore(Store):
    """Artifacts in a bucket, safe for concurrent sessions of many machines, and of one machine.

    It raises Refused, a StoreError, where the bucket cannot be reached, does not exist, or may not be read or written.
    """

    def __init__(self, url: str, project: str | None = None, patience: float = PATIENCE) -> None:
        url = url.rstrip("/")
        if not url.partition("://")[2]:
            raise StoreError(f"--store {url}: no bucket is named.", "Write s3://bucket/prefix.")
        root = cache_folder() / "stores" / hashlib.sha256(url.encode()).hexdigest()[:16]
        with disk_errors_explained(f"--store {url}: its cache"):
            root.mkdir(parents=True, exist_ok=True)
            write_whole(root / "url.txt", url + "\n")
        super().__init__(root, project)
        self.where = url
        self.bucket = Transfers(url, patience)
        self._asked_at, self._may_write = time.time(), True
        self._first: Request | None = self.bucket.ask("listing", do="entries", below="")  # while recipes are read
        self._syncing, self._known = threading.RLock(), False

    # ---- looking up -------------------------------------------------------------------------------

    def get(self, kind: Kind, key: str) -> Artifact | None:
        """The artifact with its small files, or None; StoreError where its files differ from those published."""
        self._ready()
        found = self._manifest_of(kind, key)
        try:
            self.bring([found] if found else [])
            return super().get(kind, key)
        except Refused:
            raise
        except StoreError:  # what is damaged here may be whole in the bucket
            text = self.bucket.read(f"{kind}/{key}/{MANIFEST}")
            if text is None or self._mark(kind, key).exists():
                raise
            super().discard([key])
            self._keep_manifest(kind, key, text)
            found = self._manifest_of(kind, key)
            self.bring([found] if found else [])
            return super().get(kind, key)

    def holds(self, kind: Kind, key: str) -> bool:
        """Whether the artifact is published, as far as was known at the last listing."""
        self._ready()
        return super().holds(kind, key)

    def all(self, kind: Kind) -> Iterator[Artifact]:
        """Every published artifact of a kind, oldest first. Only manifests are sure to be here: see `bring`."""
        self._ready()
        return super().all(kind)

    def keys(self, kind: Kind) -> list[str]:
        """Keys of all artifacts of a kind, including damaged ones."""
        self._ready()
        return super().keys(kind)

    def bring(self, artifacts: Iterable[Artifact], weights: bool = False) -> None:
        """Fetch the artifacts' files that are not here yet."""
        missing: dict[str, tuple[Path, str, int]] = {}
        for artifact in artifacts:
            for name, file in artifact.files.items():
                wanted = weights or artifact.kind != "checkpoints" or file["bytes"] <= SMALL or name in RECORDS
                if wanted and not (artifact.path / name).exists():
                    key = file_key(artifact.kind, artifact.key, artifact.files, name)
                    missing[key] = artifact.path / name, file["sha256"], file["bytes"]
        if missing:
            self.bucket.fetch(missing)

    def shared(self, name: str) -> Path:
        """The folder of that name, with what other machines put there."""
        self._ready()
        return super().shared(name)

    def verify(self, kind: Kind, key: str) -> str | None:
        """What is wrong with an artifact when every byte in the bucket is read again, or None."""
        text = self.bucket.read(f"{kind}/{key}/{MANIFEST}")
        try:
            files = whole_manifest(text or "")["files"]
        except ValueError:
            return f"{MANIFEST} is missing or not a whole manifest"
        for name, published in files.items():
            found = self.bucket.digest(file_key(kind, key, files, name), published["bytes"])
            if found is None:
                return f"{name} is missing"
            if found != published["sha256"]:
                return f"{name} was altered: SHA-256 {short(found)} now, {short(published['sha256'])} when published"
        return None

    def _here(self, artifact: Artifact) -> list[str]:
        """All files but those of a checkpoint that no worker has needed here."""
        return [name for name in artifact.files if artifact.kind != "checkpoints" or (artifact.path / name).exists()]

    def _manifest_of(self, kind: Kind, key: str) -> Artifact | None:
        path = self.root / kind / key
        with suppress(OSError, ValueError):
            return Artifact(kind, key, path, whole_manifest((path / MANIFEST).read_text()))
        return None

    # ---- publishing -------------------------------------------------------------------------------

    def publish(self, kind: Kind, key: str, made: Path, spec: Json, record: Json) -> Artifact:
        """Send the folder `made`; where another machine published the same key first, take that one.

        Where the bucket cannot be given it, the artifact stays here, the next session sends it, and Refused is raised.
        """
        self._ready()
        with disk_errors_explained(f"publishing {singular(kind)} {short(key)}"):
            manifest = sealed(kind, key, made, spec, record)
        try:
            first = self._sent(kind, key, made, manifest)
        except Refused:
            self._mark(kind, key).parent.mkdir(exist_ok=True)
            self._mark(kind, key).touch()
            self._place(kind, key, made, manifest)
            raise
        if first:
            return self._place(kind, key, made, manifest)
        self._take_theirs(kind, key, manifest)
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(self.root / kind / f"{key}.partial", ignore_errors=True)
        found = self.get(kind, key)
        assert found is not None
        return found

    def _place(self, kind: Kind, key: str, made: Path, manifest: Json) -> Artifact:
        """Give the folder its name. Another session here may have fetched its manifest meanwhile, which says the same."""
        dated_now(made / MANIFEST)
        for _ in range(10):
            try:
                return super()._place(kind, key, made, manifest)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                super().discard([key])
        raise StoreError(f"{singular(kind)} {short(key)} cannot be put into {self.root}.", "Run again.")

    def _mark(self, kind: Kind, key: str) -> Path:
        """The file that says that an artifact waits to be sent."""
        return self.root / UNSENT / f"{kind}-{key}"

    def _sent(self, kind: Kind, key: str, folder: Path, manifest: Json) -> bool:
        """Send files, then the manifest; False where there is another manifest already."""
        files = {file_key(kind, key, manifest["files"], name): folder / name for name in manifest["files"]}
        self.bucket.send(files)
        if not self.bucket.create(f"{kind}/{key}/{MANIFEST}", (folder / MANIFEST).read_text()):
            return False
        there = {entry.key: entry.bytes for entry in self.bucket.entries(f"{kind}/{key}")}
        self.bucket.send({name: file for name, file in files.items() if there.get(name) != file.stat().st_size})
        return True

    def _take_theirs(self, kind: Kind, key: str, ours: Json) -> None:
        """The manifest in the bucket becomes the one here, in place of ours."""
        text = self.bucket.read(f"{kind}/{key}/{MANIFEST}")
        if text is None:
            raise StoreError(f"{singular(kind)} {short(key)} was removed from {self.where} just now.", "Run again.")
        super().discard([key])
        self._keep_manifest(kind, key, text)
        theirs = whole_manifest(text)["files"]
        kept = {file_key(kind, key, theirs, name) for name in theirs}
        self.bucket.delete(sorted({file_key(kind, key, ours["files"], name) for name in ours["files"]} - kept))

    def _keep_manifest(self, kind: Kind, key: str, text: str) -> None:
        folder = self.root / kind / key
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / MANIFEST, text)
        if kind == "checkpoints":
            self.abandon(kind, key)  # what was begun here and has been made elsewhere

    def share(self, file: Path) -> None:
        """Send a file that was written into a shared folder."""
        self.bucket.write(str(file.relative_to(self.root)), file.read_text())

    @contextmanager
    def lock(
        self,
        key: str,
        who: str,
        waiting: Callable[[str], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold the lock of a key on this machine and among all machines; then look again what there is."""
        self._ready()
        with super().lock(key, who, waiting, stopped), leased(self.bucket, key, who, waiting, stopped):
            self._sync()
            yield

    def held(self) -> list[Holder]:
        """Who holds locks now, on any machine."""
        return holders(self.bucket)

    def discard(self, keys: Iterable[str], unfinished: bool = False) -> None:
        """Delete all artifacts with these keys: in the bucket manifests first, then the files that they name.

        `unfinished`: uploads that never became an artifact too, and leases that nobody holds, older than a day.
        """
        doomed = set(keys)
        everything = self.bucket.entries() if doomed or unfinished else []
        entries = [one for one in everything if one.key.split("/")[0] in KINDS]
        manifests = [e.key for e in entries if e.key.endswith(f"/{MANIFEST}") and e.key.split("/")[1] in doomed]
        files = [file for name in manifests for file in files_of(name, self.bucket.read(name) or "")]
        if manifests:
            self.bucket.delete(manifests)
            if any(self.bucket.read(name) is not None for name in manifests):
                raise Refused(self.where, "deleting in", "denied", "manifests are still there")
        self.bucket.delete(files)
        if unfinished:
            leases = [one for one in everything if one.key.startswith("leases/")]
            self.bucket.delete(without_end([one for one in (*entries, *leases) if one.key not in files]))
        for kind in KINDS:
            for key in doomed:
                self._mark(kind, key).unlink(missing_ok=True)
        super().discard(doomed)

    # ---- what there is ----------------------------------------------------------------------------

    def _ready(self) -> None:
        if not self._known:
            with self._syncing:
                if not self._known:
                    self._sync()

    def _sync(self) -> None:
        """One listing; then what this machine lacks is fetched, and what the bucket lacks is sent."""
        with self._syncing, disk_errors_explained(f"{self.where}: its cache {self.root}"):
            first, self._first = self._first, None
            asked_at = self._asked_at if first else time.time()
            entries = [Entry(*one) for one in first.result()] if first else self.bucket.entries()
            by_key = {entry.key: entry for entry in entries}
            self._check_identity(by_key.get(IDENTITY))
            listed = {(e.key.split("/")[0], e.key.split("/")[1]) for e in entries if e.key.endswith(f"/{MANIFEST}")}
            self._send_unsent()
            for kind in KINDS:
                theirs = {key for of, key in listed if of == kind}
                self._drop(kind, theirs, asked_at)
                self._fetch_manifests(kind, theirs, by_key)
            self._share_all(by_key)
            self._known = True

    def _check_identity(self, entry: Entry | None) -> None:
        """A store that was emptied or replaced behind this machine's back empties no cache."""
        own = self.root / IDENTITY
        known = own.read_text() if own.exists() else None
        if entry is None and known is None:
            text = json.dumps({"id": uuid4().hex, "version": 1})
            if not self.bucket.create(IDENTITY, text):
                text = self.bucket.read(IDENTITY) or text
            if self.bucket.create(IDENTITY, text + " "):
                raise StoreError(
                    f"{self.where}: the server writes over a file that was to be created only where there is none.",
                    "Use one that knows conditional writes (S3's If-None-Match): two machines would lose each other's work.",
                )
            write_whole(own, text)
        elif entry is None and self.bucket.read(IDENTITY) != known:  # it may have been written since the listing
            raise StoreError(
                f"{self.where} is empty, and {self.root} is the cache of a store that was there.",
                "If the store was removed on purpose, remove that folder too; else look whether --store is right.",
            )
        elif entry is not None and (known is None or self._is_new(entry)):
            text = self.bucket.read(IDENTITY) or ""
            if known not in (None, text):
                raise StoreError(
                    f"{self.where} is not the store that {self.root} is the cache of.",
                    "If it was replaced on purpose, remove that folder; else look whether --store is right.",
                )
            write_whole(own, text)
            self.digests.learn(f"version:{IDENTITY}", entry.version)

    def _is_new(self, entry: Entry) -> bool:
        """Whether a shared file was written anew since it was last fetched here."""
        return self.digests.known.get(f"version:{entry.key}") != entry.version

    def _send_unsent(self) -> None:
        """Send what could not be sent before. What cannot be sent now either waits on."""
        self.unsent = []
        for mark in sorted((self.root / UNSENT).glob("*")):
            kind, key = mark.name.split("-", 1)
            artifact = self._manifest_of(kind, key)  # type: ignore[arg-type]
            if artifact is None:  # another session is about to place it
                continue
            try:
                if self._may_write and self._was_sent(artifact):
                    mark.unlink(missing_ok=True)
                    continue
            except Refused:  # what may not be written, or cannot be now, is not tried again in this session
                self._may_write = False
            except OSError:
                pass  # a file of it is lost: `get` says which
            self.unsent.append(artifact.name)

    def _was_sent(self, artifact: Artifact) -> bool:
        """Send an artifact of the cache, or take the one that another machine published meanwhile."""
        if self._sent(artifact.kind, artifact.key, artifact.path, artifact.manifest):
            dated_now(artifact.path / MANIFEST)
        else:
            self._take_theirs(artifact.kind, artifact.key, artifact.manifest)
        return True

    def _drop(self, kind: Kind, listed: set[str], asked_at: float) -> None:
        """Remove from the cache what is no longer in the bucket, unless it was made since it was listed."""
        for key in super().keys(kind):
            manifest = self.root / kind / key / MANIFEST
            with suppress(FileNotFoundError):
                made_at = (manifest if manifest.exists() else manifest.parent).stat().st_mtime
                if key not in listed and made_at < asked_at - TICK and not self._mark(kind, key).exists():
                    super().discard([key])

    def _fetch_manifests(self, kind: Kind, listed: set[str], entries: dict[str, Entry]) -> None:
        """Those that are not here, and those that were written anew since: another machine made the artifact again."""
        new = [entries[f"{kind}/{key}/{MANIFEST}"] for key in sorted(listed)]
        new = [one for one in new if self._is_new(one) or not (self.root / one.key).exists()]
        asked = [self.bucket.ask("reading", do="read", key=one.key, length=one.bytes) for one in new]
        for entry, one in zip(new, asked, strict=True):
            text, here = one.result(), self.root / entry.key
            if text is None:  # it was removed just now
                continue
            if not here.exists() or here.read_text() != text:
                super().discard([here.parent.name])
                self._mark(kind, here.parent.name).unlink(missing_ok=True)
                self._keep_manifest(kind, here.parent.name, text)
            self.digests.learn(f"version:{entry.key}", entry.version)

    def _share_all(self, entries: dict[str, Entry]) -> None:
        """Sessions and baselines of other machines, here; those of this one that could not be sent, there."""
        there = {key: entry for key, entry in entries.items() if key.split("/")[0] in SHARED}
        lacking = [entry for key, entry in there.items() if not (self.root / key).exists() or self._changed(entry)]
        asked = [self.bucket.ask("reading", do="read", key=entry.key) for entry in lacking]
        for entry, one in zip(lacking, asked, strict=True):
            text = one.result()
            if text is not None:  # else it was removed just now
                (self.root / entry.key).parent.mkdir(parents=True, exist_ok=True)
                write_whole(self.root / entry.key, text)
                self.digests.learn(f"version:{entry.key}", entry.version)
        here = [file for folder in SHARED for file in (self.root / folder).rglob("*.json*")]
        for file in [file for file in here if self._is_unsent(file, there.get(str(file.relative_to(self.root))))]:
            try:
                if self._may_write:
                    self.share(file)
            except Refused:  # of a bucket that may only be read, or that fails: the next session tries again
                self._may_write = False

    def _changed(self, entry: Entry) -> bool:
        """Sessions stay as they were written; ratings grow, here or there; baselines are written anew."""
        if entry.key.startswith("ratings/"):
            return entry.bytes > (self.root / entry.key).stat().st_size
        return not entry.key.startswith("sessions/") and self._is_new(entry)

    def _is_unsent(self, file: Path, entry: Entry | None) -> bool:
        """Whether the bucket lacks a file, or the end of a rater's."""
        return entry is None or (entry.key.startswith("ratings/") and file.stat().st_size > entry.bytes)
