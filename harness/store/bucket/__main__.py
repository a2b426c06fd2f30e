"""Moves a store's bytes: `python -m harness.store.bucket URL` takes requests as JSON lines, and answers each by one.

Requests are carried out side by side, and again while what fails may pass (a cut connection, a busy server, bytes that
arrive damaged), for at most `PATIENCE` seconds. Ends with its standard input.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.files import Json, sha256, written_whole
from harness.store.bucket.transfers import Refusal

PATIENCE = 60.0  # seconds in which a request is repeated
SIDE_BY_SIDE = 16  # requests
LARGE = 2**23  # bytes; from here on a file may be sent in parts, and it is worth looking whether it is there
CHUNK = 2**22  # bytes read at once where a remote file is hashed
S3 = {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}}  # it is repeated here
PASSES = ("slow down", "slowdown", "internalerror", "service unavailable", "serviceunavailable", "please try again")
DENIED = (
    "access denied",
    "accessdenied",
    "forbidden",
    "invalidaccesskeyid",
    "signaturedoesnotmatch",
    "403",
    "read-only",
)
NO_KEYS = (
    "unable to locate credentials",
    "nocredentials",
    "anonymous caller",
    "defaultcredentialserror",
    "expiredtoken",
)
SKEWED = ("requesttimetooskewed",)


class Damaged(Exception):
    """Bytes that arrived are not those that were sent."""


class Files:
    """One fsspec filesystem below one URL."""

    def __init__(self, url: str) -> None:
        import fsspec

        protocol = url.split("://")[0]
        options: Json = {"config_kwargs": S3} if protocol in ("s3", "s3a") else {}
        options |= {"use_listings_cache": False, "skip_instance_cache": True} if protocol not in LOCAL else {}
        self.fs, root = fsspec.core.url_to_fs(url, **options)
        self.root, self.is_local = root.rstrip("/"), protocol in LOCAL
        if self.is_local:
            os.makedirs(self.root, exist_ok=True)

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.root}/{key}"

    def entries(self, below: str = "") -> list[list[Any]]:
        """[key, bytes, version, seconds since 1970 or None] of everything below a key."""
        try:
            found = self.fs.find(self.at(below) if below else self.root, detail=True)
        except FileNotFoundError:
            self._check_there()
            return []
        if not found and not below:
            self._check_there()
        cut = len(self.root.lstrip("/")) + 1
        return [
            [name.lstrip("/")[cut:], int(info["size"] or 0), _version(info), _modified(info)]
            for name, info in sorted(found.items())
            if info["type"] == "file" and not name.endswith(".tmp")
        ]

    def _check_there(self) -> None:
        """FileNotFoundError where the bucket itself does not exist; an empty one is as good as any."""
        bucket = self.root.lstrip("/").split("/")[0]
        if self.fs.protocol != "memory" and not self.is_local and "memory" not in self.fs.protocol:
            self.fs.ls(bucket, refresh=True)

    def read(self, key: str, size: int | None = None) -> str | None:
        """The text of a small file; None where there is none. `size`: what a listing says of it."""
        try:
            found: bytes = self.fs.cat_file(self.at(key))
        except FileNotFoundError:
            return None
        if size is not None and len(found) != size:
            raise Damaged(f"{key}: {len(found):,} bytes arrived, and {size:,} were listed")
        return found.decode("utf-8")

    def write(self, key: str, text: str) -> None:
        """Write a small file, over an earlier one."""
        if self.is_local:
            path = Path(self.at(key))
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            return
        self.fs.pipe_file(self.at(key), text.encode())

    def create(self, key: str, text: str) -> bool:
        """Write a small file unless there is one, in one step; whether the file that is there now is this one.

        So a request that is repeated, because its answer was lost, is no second one.
        """
        try:
            self._create(key, text)
        except Exception as error:
            if not _says_exists(error):
                raise
            return self.read(key) == text
        return True

    def _create(self, key: str, text: str) -> None:
        if not self.is_local:
            return self.fs.pipe_file(self.at(key), text.encode(), mode="create")
        path = Path(self.at(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            os.link(temporary, path)  # unlike a rename it fails where there is a file
        finally:
            temporary.unlink(missing_ok=True)

    def send(self, key: str, file: str) -> None:
        """Copy a file of this machine into the bucket. A large one is not sent again: its key names its content."""
        size = os.path.getsize(file)
        is_large = size > LARGE
        if is_large and self._size(key) == size:
            return
        if self.is_local:
            Path(self.at(key)).parent.mkdir(parents=True, exist_ok=True)
        self.fs.put_file(file, self.at(key))
        if is_large and self._size(key) != size:
            raise Damaged(f"{key} did not arrive whole")

    def _size(self, key: str) -> int | None:
        try:
            return int(self.fs.info(self.at(key), **({} if self.is_local else {"refresh": True}))["size"])
        except FileNotFoundError:
            return None

    def fetch(self, key: str, file: str, digest: str) -> None:
        """Copy a file of the bucket to this machine; it gets its name once its SHA-256 is right."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            self.fs.get_file(self.at(key), str(temporary))
            if sha256(temporary) != digest:
                raise Damaged(f"{key}: the bytes that arrived are not those that were published")

    def digest(self, key: str) -> str | None:
        """SHA-256 of a file's bytes; None where there is none."""
        found = hashlib.sha256()
        try:
            with self.fs.open(self.at(key), "rb") as file:
                while chunk := file.read(CHUNK):
                    found.update(chunk)
        except FileNotFoundError:
            return None
        return found.hexdigest()

    def delete(self, keys: list[str]) -> None:
        """Delete files; those that are gone already are no error."""
        there = [self.at(key) for key in keys if not self.is_local or os.path.exists(self.at(key))]
        if there:
            try:
                self.fs.rm(there)
            except FileNotFoundError:
                for path in there:
                    if self.fs.exists(path):
                        raise


LOCAL = ("file", "local")
DOES = ("entries", "read", "write", "create", "send", "fetch", "digest", "delete")


def patiently(work: Callable[[], Any], patience: float) -> Any:
    """The work's result. What may pass is tried again, after twice as long each time and not all at once."""
    began, pause = time.monotonic(), 0.2
    while True:
        try:
            return work()
        except Exception as error:
            if not _may_pass(error) or time.monotonic() + pause > began + patience:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, 10.0)


def _may_pass(error: Exception) -> bool:
    """Whether the same request may well be answered later."""
    if isinstance(error, Damaged | TimeoutError | ConnectionError):
        return True
    kind = _refused(error).kind
    return kind in ("busy", "damaged")


def _refused(error: Exception) -> Refusal:
    """The error as the session is told it."""
    said = f"{type(error).__name__}: {error}".strip()
    low = said.lower()
    if isinstance(error, Damaged):
        return Refusal("damaged", str(error))
    if isinstance(error, ImportError | ValueError) and (
        "protocol" in low or "install" in low or isinstance(error, ImportError)
    ):
        return Refusal("library", str(error))
    if any(words in low for words in SKEWED):
        return Refusal("clock", said)
    if any(words in low for words in NO_KEYS):
        return Refusal("credentials", said)
    if isinstance(error, PermissionError) or any(words in low for words in DENIED):
        return Refusal("denied", said)
    if isinstance(error, FileNotFoundError):
        return Refusal("missing", said)
    if isinstance(error, OSError) and error.errno == 28:
        return Refusal("full", str(error.filename or ""))
    return Refusal("busy", said)  # servers and networks fail in too many ways to list


def _says_exists(error: Exception) -> bool:
    said = f"{type(error).__name__} {error} {getattr(error, 'errno', '')}".lower()
    return isinstance(error, FileExistsError) or any(
        words in said
        for words in ("preconditionfailed", "pre-condition", "precondition", "412", "conditionalrequestconflict")
    )


def _version(info: Json) -> str:
    """What differs when a file was written anew."""
    found = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or info.get("created")
    return str(found)


def _modified(info: Json) -> float | None:
    found: Any = info.get("LastModified") or info.get("mtime") or info.get("last_modified") or info.get("created")
    if isinstance(found, int | float):
        return float(found)
    return float(found.timestamp()) if isinstance(found, datetime) else None


def _requests() -> Iterator[Json]:
    for line in sys.stdin:
        yield json.loads(line)


def main(url: str, patience: float) -> None:
    """Answer requests until there are no more."""
    writing, opening = threading.Lock(), threading.Lock()
    opened: list[Files] = []

    def files() -> Files:
        with opening:
            if not opened:
                opened.append(Files(url))
            return opened[0]

    def answer(request: Json) -> None:
        number, what = request.pop("id"), request.pop("do")
        assert what in DOES
        try:
            reply: Json = {"id": number, "ok": patiently(lambda: getattr(files(), what)(**request), patience)}
        except Exception as error:
            refused = _refused(error)
            reply = {"id": number, "refused": [refused.kind, refused.words]}
        with writing:
            print(json.dumps(reply), file=replies, flush=True)

    replies, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no reply
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for request in _requests():
            pool.submit(answer, request)
    os._exit(0)  # a request that hangs keeps nobody waiting


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else PATIENCE)
