"""A data file -> its rows with their places: JSON lines, a JSON list, or a text's documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from harness.data.reading.lines import lines
from harness.data.sources import Row
from harness.errors import DataError

ESCAPE = "Fix the row, or pass --skip-bad-rows to list and leave out such rows."
PlacedRow = tuple[str, Row]  # "file:line", and the row that begins there


def read_file(
    path: Path, separator: str | None = None, skip_bad_rows: bool = False, left_out: list[str] | None = None
) -> Iterator[PlacedRow]:
    """("file:line", row) of a .jsonl or .json file, or of a text's documents, which `separator` sets apart.

    DataError names the line that cannot be read; with `skip_bad_rows` such lines are noted in `left_out` instead.
    """
    if path.suffix == ".json":
        found = _listed(path)
    elif path.suffix == ".jsonl":
        found = ((line.origin, line.row, line.problem) for line in lines(path))
    else:
        yield from _documents(path.name, _text_of(path), separator or "\n\n")
        return
    for origin, row, problem in found:
        if problem is None:
            yield origin, row
        elif skip_bad_rows and left_out is not None:
            left_out.append(f"{origin}: {problem}")
        else:
            raise DataError(f"{origin}: {problem}.", ESCAPE)


def _listed(path: Path) -> Iterator[tuple[str, Row, str | None]]:
    """The rows of a JSON list, and what is wrong with those that are no objects."""
    try:
        rows = json.loads(_text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}:{error.lineno}: not JSON ({error.msg}); is the file cut short?") from None
    except RecursionError:
        raise DataError(f"{path.name}: not JSON (nested too deep).") from None
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: holds {type(rows).__name__}, not a list of rows.")
    for number, row in enumerate(rows):
        problem = None if isinstance(row, dict) else f"row is {type(row).__name__}, not an object"
        yield f"{path.name}[{number}]", row, problem


def _text_of(path: Path) -> str:
    """The file's text without a byte order mark; DataError where it is not UTF-8, or blank."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}).", "Save it as UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if not text.strip():
        raise DataError(f"{path.name} is empty.")
    return text


def _documents(name: str, text: str, separator: str) -> Iterator[PlacedRow]:
    line = 1
    for document in text.split(separator):
        if document.strip():
            start = line + document[: len(document) - len(document.lstrip())].count("\n")
            yield f"{name}:{start}", {"text": document.strip()}
        line += document.count("\n") + separator.count("\n")
