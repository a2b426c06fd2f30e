"""Where a store is named, the store: a folder, or a bucket with a folder of this machine in front of it."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StoreError
from harness.store.artifacts import Store


def open_store(where: str | Path, project: str | None = None) -> Store:
    """The store in a folder or at a URL, as that project sees it. A folder is made if missing.

    Raises StoreError where it cannot be made. Whether a bucket can be reached shows at its first use.
    """
    if "://" in str(where):
        from harness.store.bucket.store import BucketStore

        return BucketStore(str(where), project)
    path = Path(where)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--store {where}: {error.strerror}.", "Name a folder that can be written.") from None
    return Store(path, project)
