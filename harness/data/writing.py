"""Files of a tool: written aside and moved into place whole, or, after an error, not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import DataError


@contextmanager
def moved_into(folder: Path) -> Iterator[Path]:
    """An empty folder below `folder`; the files then in it are moved into `folder`, those in its folders are not.

    After an error none is moved, and a `folder` that was not there before is gone again.
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
        for path in sorted(work.iterdir()):
            if path.is_file():
                os.replace(path, folder / path.name)
        complete = True
    except OSError as error:
        raise DataError(f"{error.filename2 or error.filename or folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if is_new and not complete:
            folder.rmdir()
