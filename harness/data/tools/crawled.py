"""A crawler's file -> which of three formats its rows have, and what is wrong with its first bad line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.reading.lines import Line, lines
from harness.errors import DataError

FORMATS = {  # field with the text -> what a message calls such a row; the first of these fields that a row has decides
    "chunks": 'a page with "chunks"',
    "body_text": 'a page with "body_text"',
    "text": 'a row with "text"',
}
STRINGS = ("source_url", "url", "title")
MAX_ROW_BYTES = 16 * 2**20  # DuckDB holds a few rows of this size in each thread


def input_files(given: Path) -> list[Path]:
    """The file, or the folder's .jsonl files by name."""
    if not given.exists():
        raise DataError(f"{given} does not exist.", "Name a .jsonl file, or a folder of such files.")
    if given.is_file():
        return [given]
    files = sorted(given.glob("*.jsonl"))
    if not files:
        raise DataError(f"{given} holds no .jsonl file.", "Name a .jsonl file, or a folder of such files.")
    return files


def format_of(row: Mapping[str, Any]) -> str | None:
    """The format of a row, by the field that holds its text: a key of FORMATS, or None."""
    return next((name for name in FORMATS if row.get(name) is not None), None)


def file_format(path: Path) -> str:
    """The format of a file: that of its first row, which all rows must share. Raises DataError if that row is bad."""
    first = next(lines(path))
    problem = first.problem or _problem(first, format_of(first.row), first)
    if problem:
        raise DataError(f"{first.origin}: {problem}.")
    kind = format_of(first.row)
    assert kind is not None
    return kind


def first_problem(path: Path) -> DataError | None:
    """An error for the first bad line of a file; if there is none, for the first line that is too long; else None."""
    first = kind = too_long = None
    for line in lines(path):
        if first is None:
            first, kind = line, format_of(line.row)
        problem = line.problem or _problem(line, kind, first)
        if problem:
            return DataError(f"{line.origin}: {problem}.")
        if too_long is None and len(line.raw) > MAX_ROW_BYTES:
            size = f"{len(line.raw):,} bytes, more than the {MAX_ROW_BYTES:,} that are sure to be read"
            too_long = DataError(f"{line.origin}: row has {size}.", "Split the page.")
    return too_long


def _problem(line: Line, kind: str | None, first: Line) -> str | None:
    """What is wrong with a line of a file whose `first` row has the format `kind`, or None."""
    row, own_kind = line.row, format_of(line.row)
    if line.offset == 0 and line.raw.startswith(b"\xef\xbb\xbf"):
        return "starts with a byte order mark; save it as plain UTF-8"
    if _has_lone_surrogate(line):
        return "holds a lone surrogate, which is no character"
    if own_kind is None or kind is None:
        return f"row has none of {', '.join(FORMATS)} (found: {', '.join(row) or 'nothing'})"
    if own_kind != kind:
        return f"{FORMATS[own_kind]}, and {first.origin} is {FORMATS[kind]}; give each format a file of its own"
    if own_kind != "chunks":
        return _text_problem(row[own_kind], own_kind) or _metadata_problem(row)
    if not isinstance(row["chunks"], list):
        return f'"chunks" is {type(row["chunks"]).__name__}, not a list'
    for number, chunk in enumerate(row["chunks"], 1):
        if not isinstance(chunk, Mapping):
            return f"chunks[{number}] is {type(chunk).__name__}, not an object"
        if chunk.get("text") is None:
            return f'chunks[{number}] has no "text" (found: {", ".join(chunk) or "nothing"})'
        problem = _text_problem(chunk["text"], "text") or _metadata_problem(chunk)
        if problem:
            return f"chunks[{number}]: {problem}"
    return _metadata_problem(row)


def _text_problem(text: Any, name: str) -> str | None:
    if not isinstance(text, str):
        return f'"{name}" is {type(text).__name__}, not text'
    return f'"{name}" holds a NUL byte' if "\x00" in text else None


def _metadata_problem(row: Mapping[str, Any]) -> str | None:
    for name in STRINGS:
        if not isinstance(row.get(name), str | None):
            return f'"{name}" is {type(row[name]).__name__}, not text'
    if not isinstance(row.get("chunk_id"), str | int | None) or isinstance(row.get("chunk_id"), bool):
        return f'"chunk_id" is {type(row["chunk_id"]).__name__}, neither text nor a whole number'
    if not isinstance(row.get("section_path"), str | list | None):
        return f'"section_path" is {type(row["section_path"]).__name__}, neither text nor a list'
    return None


def _has_lone_surrogate(line: Line) -> bool:
    if b"\\ud" not in line.raw.lower():  # valid UTF-8 can hold one only as an escape, \ud800 to \udfff
        return False
    try:
        json.dumps(line.row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
