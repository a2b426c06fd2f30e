"""The file of rows that is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from harness.errors import DataError
from harness.files import disk_errors_explained, written_whole


@contextmanager
def rows_file(output: Path) -> Iterator[TextIO]:
    """The open file, which appears whole, or not at all where the work within fails; its folder is made.

    Raises DataError where a folder has that name.
    """
    if output.is_dir():
        raise DataError(f"{output} is a folder, and a file is to be written.", "Name a file: --output rows.jsonl.")
    with disk_errors_explained(f"writing {output}"):
        output.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(output) as path, path.open("w", encoding="utf-8") as file:
            yield file
