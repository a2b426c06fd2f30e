"""A data file -> its rows, each with its place: JSON lines, a JSON list, a table, or plain text split into documents."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.reading.lines import lines
from harness.data.reading.opened import form_of, opened
from harness.data.sources import Row
from harness.errors import DataError

ESCAPE = "Fix the row, or pass --skip-bad-rows to list and leave out such rows."
BLANK_LINE = re.compile(r"\n[^\S\n]*\n")  # also one that holds spaces
PlacedRow = tuple[str, Row]  # where the row begins, "file:line" (or "file[index]" in a list or table), and the row


class Entry(NamedTuple):
    """A row as the file has it. If it is none, `problem` says why, and `row` is empty."""

    origin: str
    row: Row
    problem: str | None = None


def read_file(
    path: Path, separator: str | None = None, skip_bad_rows: bool = False, left_out: list[str] | None = None
) -> Iterator[PlacedRow]:
    """Place and row, for each row of a file, or for each document of a text split at `separator`.

    Raises DataError with the place of the first bad row. With `skip_bad_rows` bad rows are listed in `left_out`.
    """
    for origin, row, problem in entries(path, separator):
        if problem is None:
            yield origin, row
        elif skip_bad_rows and left_out is not None:
            left_out.append(f"{origin}: {problem}")
        else:
            raise DataError(f"{origin}: {problem}.", ESCAPE)


def entries(path: Path, separator: str | None = None) -> Iterator[Entry]:
    """Every row of a file, bad ones too: the one reader of training, measuring and `harness data check`.

    With a separator the file is text whatever it looks like. DataError for a file that has no rows or is of another kind.
    """
    form = form_of(path) if separator is None else "text"
    if form == "lines":
        return (Entry(line.origin, line.row, line.problem) for line in lines(path, compressed=True))
    if form == "list":
        return _listed(path)
    if form in ("csv", "tsv"):
        return _delimited(path, "," if form == "csv" else "\t")
    if form in ("parquet", "arrow"):
        return _table(path, form)
    return _documents(path.name, _text_of(path), separator)


def _listed(path: Path) -> Iterator[Entry]:
    """Each entry of a JSON list."""
    try:
        rows = json.loads(_text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}:{error.lineno}: not JSON ({error.msg}); is the file cut short?") from None
    except RecursionError:
        raise DataError(f"{path.name}: not JSON (nested too deep).") from None
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: holds {type(rows).__name__}, not a list of rows.")
    for number, row in enumerate(rows):
        origin = f"{path.name}[{number}]"
        good = isinstance(row, dict)
        yield Entry(origin, row) if good else Entry(origin, {}, f"row is {type(row).__name__}, not an object")


def _delimited(path: Path, delimiter: str) -> Iterator[Entry]:
    """Each row of a CSV file by the names in its first line; every value is text, as it is written."""
    csv.field_size_limit(2**31 - 1)  # bytes; the default, 131,072, is less than a document may have
    reader = csv.DictReader(io.StringIO(_text_of(path), newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            origin = f"{path.name}:{reader.line_num}"
            more, missing = row.pop(None, None), [name for name, value in row.items() if value is None]  # type: ignore[call-overload]
            problem = (
                f"has more fields than the header ({len(row)})" if more
                else f"has no field {missing[0]!r}" if missing
                else None
            )  # fmt: skip
            yield Entry(origin, {} if problem else dict(row), problem)
    except csv.Error as error:
        raise DataError(f"{path.name}:{reader.line_num + 1}: not CSV ({error}); is the file cut short?") from None


def _table(path: Path, form: str) -> Iterator[Entry]:
    """Each row of a Parquet or Arrow file. Values that JSON does not know, such as dates, are given as text."""
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path) as file:
            source = pyarrow.BufferReader(file.read())
        table: Any = parquet.read_table(source) if form == "parquet" else _arrow(source)
        batches = table.to_batches(max_chunksize=1_000)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as {form.capitalize()}: {str(error).splitlines()[0]}.") from None
    if not table.num_rows:
        raise DataError(f"{path.name} is empty.")
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            origin = f"{path.name}[{number}]"
            try:
                yield Entry(origin, json.loads(json.dumps(row, default=_as_json)))
            except UnicodeDecodeError:
                yield Entry(origin, {}, "holds bytes that are not UTF-8")
            number += 1


def _arrow(source: Any) -> Any:
    """The table of an Arrow file, or of an Arrow stream, as datasets writes it."""
    from pyarrow import ipc

    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    return (ipc.open_file(source) if is_file else ipc.open_stream(source)).read_all()


def _as_json(value: Any) -> str:
    """A value that JSON does not know as text: bytes decoded, dates and decimals as they are written."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _text_of(path: Path) -> str:
    """The file's text without a byte order mark. Raises DataError if it cannot be read, is not UTF-8, or is blank."""
    try:
        with opened(path) as file:
            data = file.read()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}).", "Save it as UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not text.strip():
        raise DataError(f"{path.name} is empty.")
    if "\x00" in text:
        raise DataError(f"{path.name}: holds a NUL byte, so it is no text.")
    return text


def _documents(name: str, text: str, separator: str | None) -> Iterator[Entry]:
    """Each document that is not blank, with the line on which its text begins. Any line end counts as a line feed."""
    text = _line_feeds(text)
    line = 1  # on which the next piece begins; its text may begin lower, after blank lines
    for document, between in _split(text, separator):
        if document.strip():
            start = line + document[: len(document) - len(document.lstrip())].count("\n")
            yield Entry(f"{name}:{start}", {"text": document.strip()})
        line += document.count("\n") + between.count("\n")


def _split(text: str, separator: str | None) -> Iterator[tuple[str, str]]:
    """Each piece of a text, and what stands between it and the next."""
    begin = 0
    between = BLANK_LINE if separator is None else re.compile(re.escape(_line_feeds(separator)))
    for found in between.finditer(text):
        yield text[begin : found.start()], found[0]
        begin = found.end()
    yield text[begin:], ""


def _line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
