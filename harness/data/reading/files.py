"""A data file -> its rows, each with its place: JSON lines, a JSON list, or plain text split into documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from harness.data.reading.lines import lines
from harness.data.sources import Row
from harness.errors import DataError

ESCAPE = "Fix the row, or pass --skip-bad-rows to list and leave out such rows."
PlacedRow = tuple[str, Row]  # where the row begins, "file:line" (or "file[index]" in a JSON list), and the row


def read_file(
    path: Path, separator: str | None = None, skip_bad_rows: bool = False, left_out: list[str] | None = None
) -> Iterator[PlacedRow]:
    """Place and row, for each row of a .jsonl or .json file, or for each document of a text split at `separator`.

    Raises DataError with the place of the first bad row. With `skip_bad_rows` bad rows are listed in `left_out`.
    """
    if path.suffix == ".json":
        entries = _listed(path)
    elif path.suffix == ".jsonl":
        entries = ((line.origin, line.row, line.problem) for line in lines(path))
    else:
        yield from _documents(path.name, _text_of(path), separator or "\n\n")
        return
    for origin, row, problem in entries:
        if problem is None:
            yield origin, row
        elif skip_bad_rows and left_out is not None:
            left_out.append(f"{origin}: {problem}")
        else:
            raise DataError(f"{origin}: {problem}.", ESCAPE)


def _listed(path: Path) -> Iterator[tuple[str, Row, str | None]]:
    """(place, row, problem) for each entry of a JSON list; the problem is None, or says why the entry is not a row."""
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
    """The file's text without a byte order mark. Raises DataError if it cannot be read, is not UTF-8, or is blank."""
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
    """Each document that is not blank, with the line on which its text begins."""
    line = 1  # on which the next piece begins; its text may begin lower, after blank lines
    for document in text.split(separator):
        if document.strip():
            start = line + document[: len(document) - len(document.lstrip())].count("\n")
            yield f"{name}:{start}", {"text": document.strip()}
        line += document.count("\n") + separator.count("\n")
