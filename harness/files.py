"""How files are written and read everywhere: whole or not at all, hashed once, JSON line by line."""

from __future__ import annotations

import errno
import hashlib
import json
import locale
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import DataError, HarnessError, StoreError

Json = dict[str, Any]  # a JSON object without a fixed set of fields: a spec, a record, a library's settings
SHORT = 8  # characters of a digest shown to people


def cache_folder() -> Path:
    """Where this user's machine keeps what can be fetched or made again: below $XDG_CACHE_HOME or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "harness"


# ---- written whole ------------------------------------------------------------------------------------


def write_whole(path: Path, text: str) -> None:
    """Write the file in one step: readers see the old text or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")  # no other thread writes it
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it replaces `path` when the block ends without an error."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def moved_into(folder: Path) -> Iterator[Path]:
    """An empty working folder below `folder`; its files are moved up when the block ends without an error.

    Folders within it are not moved. After an error nothing is moved, and a `folder` that did not exist before is
    removed again.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except FileExistsError:
        raise DataError(f"{folder} is a file, and a folder is to be written there.", "Name another folder.") from None
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}.", "Name another folder.") from None
    complete = False
    try:
        yield work
        made = [path for path in sorted(work.iterdir()) if path.is_file()]
        for taken in [folder / path.name for path in made if (folder / path.name).is_dir()]:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), taken)  # before anything is moved
        for path in made:
            os.replace(path, folder / path.name)
        complete = True
    except OSError as error:
        raise DataError(f"{error.filename2 or error.filename or folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if is_new and not complete:
            folder.rmdir()


@contextmanager
def full_disk_explained(doing: str) -> Iterator[None]:
    """Turns a full disk into a StoreError that says what to do, whichever library has met it."""
    try:
        yield
    except Exception as error:
        if not _says_full_disk(error):
            raise
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        raise full_disk(f"{doing}{where}") from error


def full_disk(doing: str) -> StoreError:
    """The error for want of space."""
    return StoreError(
        f"{doing}: the disk is full.",
        "Free some space (`harness store prune --yes` frees the store's), then run again: it continues.",
    )


def _says_full_disk(error: Exception) -> bool:
    """Python gives a number; safetensors and DuckDB a text; PyTorch says only that its archive came out shorter."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    said = str(error)
    shorter = "inline_container" in said and ("unexpected pos" in said or "failed writing" in said)
    return shorter or any(os.strerror(number) in said for number in (errno.ENOSPC, errno.EDQUOT))


@contextmanager
def disk_errors_explained(doing: str) -> Iterator[None]:
    """Turns a full disk or a read-only folder into a StoreError that says what to do."""
    try:
        with full_disk_explained(doing):
            yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StoreError(
                f"{doing}: {error.filename} cannot be written ({error.strerror}).", "Choose another --store."
            ) from error
        raise


def sync(path: Path) -> None:
    """Flush a file or a folder to disk, before anything that relies on it is written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- JSON lines ---------------------------------------------------------------------------------------


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line, the file whole or not at all."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_json_lines(path: Path, skip_broken: bool = False) -> list[Json]:
    """The objects of a file that the harness wrote itself, none where there is no file.

    `skip_broken` is for logs, where a kill may have cut the last line short; without it such a line is a ValueError.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        if not skip_broken:
            return [json.loads(line) for line in file]
        return [row for line in file if (row := _object(line)) is not None]


def last_json_line(path: Path) -> Json | None:
    """The last whole object of a log that may be growing, or None."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().split(b"\n")
    except OSError:
        return None
    return next((row for line in reversed(lines) if (row := _object(line)) is not None), None)


def _object(line: bytes) -> Json | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


# ---- digests ------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short(key: str) -> str:
    """A digest as people see it."""
    return key[:SHORT]


class FileDigests:
    """Digests of files, and other facts that follow from bytes alone, remembered in one JSON file.

    A file counts as unchanged while its path, size and modification time are.
    """

    def __init__(self, memory: Path | None) -> None:
        self.memory = memory
        self.known: Json = {}
        self.changed = False
        if memory is not None and memory.exists():
            try:
                known = json.loads(memory.read_text())
            except ValueError:
                known = None  # it is only a cache: every digest can be computed again
            self.known = known if isinstance(known, dict) else {}

    def of(self, path: Path, kind: str = "bytes", compute: Callable[[Path], str] = sha256) -> str:
        """The file's digest of that kind, computed where it is not remembered."""
        stat = path.stat()
        key = f"{kind}:{os.path.abspath(path)}"
        remembered = self.known.get(key)
        if remembered and remembered[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(remembered[2])
        found = compute(path)
        self.learn(key, [stat.st_size, stat.st_mtime_ns, found])
        return found

    def learn(self, key: str, value: Any) -> None:
        """Remember another fact that follows from bytes alone."""
        self.known[key] = value
        self.changed = True

    def remember(self) -> None:
        """Write the cache to disk, if anything was added and it can be; every digest can be computed again."""
        if self.memory is None or not self.changed:
            return
        with suppress(OSError):
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.memory, json.dumps(self.known))
            self.changed = False


# ---- names --------------------------------------------------------------------------------------------


def check_letters(path: str | Path) -> None:
    """Raise HarnessError for a path with letters that Python cannot read in this locale: many libraries take no such."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise HarnessError(
            f"{os.fsencode(path).decode('ascii', 'backslashreplace')}: the locale ({locale.setlocale(locale.LC_CTYPE)}) "
            "knows no letters of this path beyond ASCII.",
            "Set LC_ALL=C.UTF-8 or PYTHONUTF8=1.",
        ) from None


# ---- compared -----------------------------------------------------------------------------------------


def differences(there: Any, here: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(field, value there, value here) for every leaf that differs between two specs."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(k for k in here if k not in there)]:
            yield from differences(there.get(key), here.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif there != here:
        yield path, there, here
