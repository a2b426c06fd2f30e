"""A file of JSON lines -> its lines one at a time, each with its problem if any: files need not fit into memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.data.reading.formats import BadRow, training_row
from harness.data.reading.opened import form_of, is_compressed, opened
from harness.data.sources import Row, Source
from harness.errors import DataError

AS_IT_IS = Source()  # the row's own format decides
WORDS = {
    "list": "a JSON list", "csv": "CSV", "tsv": "CSV", "parquet": "Parquet", "arrow": "Arrow", "text": "plain text",
}  # fmt: skip


class Line(NamedTuple):
    """One line that is not blank. If it is not a JSON object, `problem` says why, and `row` is empty."""

    origin: str  # "file:line"
    offset: int  # bytes before it in the file
    raw: bytes  # with its line end, if it has one
    row: Row
    problem: str | None


def lines(path: Path, compressed: bool = False) -> Iterator[Line]:
    """Every line that is not blank. Raises DataError if the file cannot be read, holds no JSON lines, or has none.

    A compressed file is read where `compressed` says that its lines' offsets are not needed.
    """
    if path.exists() and (form := form_of(path)) != "lines" and path.stat().st_size:
        raise DataError(f"{path.name} holds {WORDS[form]}; JSON lines are read here.", "Convert it to JSON lines.")
    if not compressed and is_compressed(path):
        raise DataError(f"{path.name} is compressed; its lines are read again by their place.", "Decompress it.")
    offset, found = 0, False
    try:
        with opened(path) as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    row, problem = _parsed(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
                    yield Line(f"{path.name}:{number}", offset, raw, row, problem)
                    found = True
                offset += len(raw)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not found:
        raise DataError(f"{path.name} is empty.")


def trainable(row: Row, problem: str | None) -> Row:
    """A row of a file as a training row. Raises BadRow, which says what is wrong: its problem, if it has one."""
    if problem is not None:
        raise BadRow(problem)
    return training_row(row, AS_IT_IS)


def checked(line: Line) -> Row:
    """The line as a training row. Raises DataError, which also says where."""
    try:
        return trainable(line.row, line.problem)
    except BadRow as bad:
        remedy = "Fix or remove the row; `harness data check FILE` lists all such rows."
        raise DataError(f"{line.origin}: {bad}.", remedy) from None


def _parsed(raw: bytes) -> tuple[Row, str | None]:
    """(row, None), or ({}, what is wrong with the line)."""
    try:
        text = raw.decode("utf-8")
        if "\x00" in text:
            return {}, "holds a NUL byte"
        row = json.loads(text)
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 (byte 0x{raw[error.start]:02x})"
    except (json.JSONDecodeError, RecursionError) as error:
        return {}, f"not JSON ({getattr(error, 'msg', 'nested too deep')}); is the file cut short?"
    if not isinstance(row, dict):
        return {}, f"row is {type(row).__name__}, not an object"
    return row, None
