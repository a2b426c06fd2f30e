"""Where things are in a bucket: the keys of an artifact's files, and which of them belong to no artifact."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from harness.files import Json
from harness.store.artifacts import MANIFEST, whole_manifest
from harness.store.bucket.transfers import Entry

DAY = 24 * 3600.0  # seconds after which an upload without an end is taken to be dead


def file_key(kind: str, key: str, files: Json, name: str) -> str:
    """Where a file of an artifact is in the bucket: two makers of one key never write to the same place."""
    content = hashlib.sha256(json.dumps({n: f["sha256"] for n, f in sorted(files.items())}).encode()).hexdigest()
    return f"{kind}/{key}/{content[:16]}/{name}"


def dated_now(manifest: Path) -> None:
    """Give it this machine's time: later than any listing that lacks it, so that `_drop` keeps it."""
    now = time.time()
    os.utime(manifest, (now, now))


def files_of(manifest: str, text: str) -> list[str]:
    """Keys of the files that a manifest in the bucket names."""
    kind, key, _ = manifest.split("/")
    try:
        files = whole_manifest(text)["files"]
    except ValueError:
        return []
    return [file_key(kind, key, files, name) for name in files]


def without_end(entries: list[Entry]) -> list[str]:
    """Files older than a day of artifacts that have no manifest."""
    whole = {entry.key.rsplit("/", 1)[0] for entry in entries if entry.key.endswith(f"/{MANIFEST}")}
    return [
        entry.key
        for entry in entries
        if "/".join(entry.key.split("/")[:2]) not in whole and entry.modified and time.time() - entry.modified > DAY
    ]
