"""The file of rows that is built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from harness.errors import DataError
from harness.files import Json, full_disk_explained, written_whole


@contextmanager
def rows_file(output: Path) -> Iterator[TextIO]:
    """The open file, which appears whole, or not at all where the work within fails; its folder is made.

    Raises DataError where a folder has that name.
    """
    check_output(output)
    with (
        full_disk_explained(f"writing {output}"),
        written_whole(output) as path,
        path.open("w", encoding="utf-8") as file,
    ):
        yield file


def check_output(output: Path) -> None:
    """Make the folder of a file that is to be written. Raises DataError where it cannot be, or a folder has its name."""
    if output.is_dir():
        raise DataError(f"{output} is a folder, and a file is to be written.", "Name a file: --output rows.jsonl.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror or error}.", "Name another --output.") from None


def line_of(row: Json) -> str:
    """A row as a line of the file."""
    return whole_characters(json.dumps(row, ensure_ascii=False)) + "\n"


def whole_characters(text: str) -> str:
    """The text with a question mark for each half of a character (a lone surrogate), which no file can hold."""
    return text.encode("utf-8", "replace").decode()
