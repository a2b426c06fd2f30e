"""Moves a store's bytes: `python -m harness.store.bucket URL` takes requests as JSON lines, and answers each by one.

Requests are carried out side by side, and again while what fails may pass (a cut connection, a busy server, bytes that
arrive damaged), for at most `PATIENCE` seconds. Ends with its standard input.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.files import Json, sha256, written_whole

PATIENCE = 60.0  # seconds in which a request is repeated, from its first failure on
SMALL_REQUESTS, TRANSFERS = 8, 8  # side by side; a sign of life waits for no file
LARGE = 2**23  # bytes; from here on a file may be sent in parts, and it is worth looking whether it is there
STALE = 6 * 3600.0  # seconds after which a file that was sent before is sent again: `prune` removes those of a day
CHUNK = 2**22  # bytes read at once where a remote file is hashed
S3 = {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}}  # it is repeated here
KINDS = {  # kind of refusal -> codes of S3, statuses of HTTP and names of exceptions that mean it
    "clock": {"RequestTimeTooSkewed", "RequestExpired"},
    "credentials": {
        "ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch",
        "TokenRefreshRequired", "UnrecognizedClientException", "NoCredentialsError", "PartialCredentialsError",
        "ProfileNotFound", "CredentialRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError",
        "TokenRetrievalError", "NoAuthTokenError", "DefaultCredentialsError", "RefreshError", "ClientAuthenticationError",
    },
    "denied": {"AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed"},
    "missing": {"NoSuchBucket"},
    "url": {
        "InvalidBucketName", "ParamValidationError", "InvalidBucketNameError", "AuthorizationHeaderMalformed",
        "PermanentRedirect", "IllegalLocationConstraintException", "NoRegionError", "InvalidEndpointError",
    },
    "exists": {"PreconditionFailed", "412", "FileExistsError"},
    "busy": {"ConditionalRequestConflict", "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"},
}  # fmt: skip


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
            found = self._found(self.at(below) if below else self.root)
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

    def _found(self, folder: str) -> dict[str, Json]:
        """Path -> info of all files below. A folder that cannot be listed is an error: fsspec's own walk skips it."""
        kind = type(self.fs)
        if any(name in one.__dict__ for one in kind.__mro__ for name in ("find", "_find") if not _is_abstract(one)):
            return dict(self.fs.find(folder, detail=True))
        found: dict[str, Json] = {}
        for info in self.fs.ls(folder, detail=True):
            if info["type"] == "directory":
                with suppress(FileNotFoundError):  # removed since
                    found |= self._found(info["name"])
            else:
                found[info["name"]] = info
        return found

    def _check_there(self) -> None:
        """FileNotFoundError where the bucket itself does not exist; an empty one is as good as any."""
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,)
        if not {"s3", "s3a"} & set(protocols):
            return self.fs.makedirs(self.root, exist_ok=True)
        with suppress(PermissionError):  # who may use a prefix may not list the whole
            self.fs.ls(self.root.split("/")[0], refresh=True)

    def read(self, key: str, length: int | None = None) -> str | None:
        """The text of a small file; None where there is none. `length`: its bytes, where they never change."""
        try:
            found: bytes = self.fs.cat_file(self.at(key))
        except FileNotFoundError:
            return None
        if length is not None and len(found) != length:
            raise Damaged(f"{key}: {len(found):,} bytes arrived, and {length:,} were listed")
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
            if _kind(error) != "exists":
                raise
            there = self.read(key)
            if there is None:
                raise ConnectionError(f"{key} was there and is gone") from None  # tried again
            return there == text
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
        if size > LARGE and self._is_there(key, size):
            return
        if self.is_local:
            Path(self.at(key)).parent.mkdir(parents=True, exist_ok=True)
        self.fs.put_file(file, self.at(key))

    def _is_there(self, key: str, size: int) -> bool:
        """Whether a file of that size was sent there lately."""
        try:
            info = self.fs.info(self.at(key), **({} if self.is_local else {"refresh": True}))
        except FileNotFoundError:
            return False
        modified = _modified(info)
        return int(info["size"]) == size and modified is not None and time.time() - modified < STALE

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
    failed_first, pause = None, 0.2
    while True:
        try:
            return work()
        except Exception as error:
            now = time.monotonic()
            failed_first = now if failed_first is None else failed_first
            if _kind(error) not in ("busy", "damaged") or now + pause > failed_first + patience:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, 10.0)


def _kind(error: BaseException, local: str = "") -> str:
    """What kind of refusal an error is: a key of REMEDIES. `local`: a path of this machine that the request is about."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "full"
    if isinstance(error, OSError) and local and str(error.filename or "").startswith(os.path.dirname(local)):
        return "cache"
    if isinstance(error, Damaged):
        return "damaged"
    said = _codes(error)
    for kind, codes in KINDS.items():
        if said & codes:
            return kind
    if isinstance(error, ImportError) or (isinstance(error, ValueError) and "rotocol" in str(error)):
        return "library"
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, FileNotFoundError):
        return "gone"
    return "busy"  # servers and networks fail in too many ways to list


def _codes(error: BaseException | None) -> set[str]:
    """S3's codes, HTTP's statuses and the names of an error and of those that caused it."""
    found: set[str] = set()
    while error is not None:
        answer = getattr(error, "response", None)
        if isinstance(answer, dict):
            found.add(str(answer.get("Error", {}).get("Code")))
            found.add(str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode")))
        found |= {str(getattr(error, "status", "")), *(kind.__name__ for kind in type(error).__mro__)}
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _is_abstract(kind: type) -> bool:
    """Whether the class is one of fsspec's own, which no storage is behind."""
    return kind.__module__ in ("fsspec.spec", "fsspec.asyn", "builtins")


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
            kind = _kind(error, str(request.get("file", "")))
            if kind == "gone" and what == "entries":
                kind = "missing"
            reply = {"id": number, "refused": [kind, f"{type(error).__name__}: {error}".strip()]}
        with writing:
            print(json.dumps(reply), file=replies, flush=True)

    replies, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no reply
    small, transfers = ThreadPoolExecutor(SMALL_REQUESTS), ThreadPoolExecutor(TRANSFERS)
    for request in _requests():
        (transfers if request["do"] in ("send", "fetch", "digest") else small).submit(answer, request)
    os._exit(0)  # the session has ended: nobody waits for what is under way


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else PATIENCE)
