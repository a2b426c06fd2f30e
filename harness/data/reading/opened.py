"""A data file -> its bytes, decompressed, and what it holds, which its content says wherever it can."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from harness.errors import DataError

Form = Literal["lines", "list", "csv", "tsv", "parquet", "arrow", "text"]
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
TABLES: dict[bytes, Form] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
NO_ROWS = {
    b"PK\x03\x04": "a zip archive or office document", b"%PDF": "a PDF", b"SQLite format 3": "an SQLite database",
    b"\x80\x02": "a pickle", b"\x80\x03": "a pickle", b"\x80\x04": "a pickle", b"\x80\x05": "a pickle",
    b"\x89HDF": "an HDF5 file", b"\x7fELF": "a program", b"\x89PNG": "an image", b"\xff\xd8\xff": "an image",
}  # fmt: skip
LINES = (".jsonl", ".ndjson", ".jsonlines", ".jl")


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, those of a .gz, .zst or .bz2 file decompressed. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
        how = next((how for magic, how in COMPRESSED.items() if head.startswith(magic)), None)
        if how is None:
            return path.open("rb")
        import io

        import pyarrow

        return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), how))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def is_compressed(path: Path) -> bool:
    """Whether its bytes are those of a compressed file."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(8).startswith(tuple(COMPRESSED))
    return False


def form_of(path: Path) -> Form:
    """What the file holds: JSON lines, a JSON list, a table, or plain text, which is what is none of the others.

    Parquet, Arrow and JSON are known by what they begin with, CSV by its suffix alone. Raises DataError for a file of a
    kind that holds no rows.
    """
    try:
        return _form_of(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from None


def _form_of(path: Path) -> Form:
    with opened(path) as file:
        head = file.read(64)
    kind = next((kind for magic, kind in NO_ROWS.items() if head.startswith(magic)), None)
    if kind is not None:
        raise DataError(
            f"{path.name} is {kind}; rows are read from JSON lines, a JSON list, CSV, Parquet, Arrow and plain text.",
            "Convert it.",
        )
    table = next((form for magic, form in TABLES.items() if head.startswith(magic)), None)
    if table is not None:
        return table
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst", ".bz2")]
    last = suffixes[-1] if suffixes else ""
    if last in (".csv", ".tsv"):
        return "csv" if last == ".csv" else "tsv"
    if last in LINES:
        return "lines"
    if last == ".json":
        return "lines" if _objects(path) == 2 else "list"
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"\[\s*\{\s*\"", begin):
        return "list"
    return "lines" if re.match(rb"\{\s*\"", begin) else "text"


def _objects(path: Path) -> int:
    """How many of the first two lines that are not blank are JSON objects, one on each: 0, 1 or 2."""
    found = 0
    with opened(path) as file:
        while found < 2 and (line := file.readline()):
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if line and not _is_object(line):
                break
            found += bool(line)
    return found


def _is_object(line: bytes) -> bool:
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
