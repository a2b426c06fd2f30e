"""Declared rows -> rows in memory: read, checked, ranked, mixed. Only read when something is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data import hub
from harness.data.formats import BadRow, row_text, training_row
from harness.data.sources import Dataset, Embedded, Files, Hub, Mix, Rows, Scale, Source
from harness.errors import DataError

EMBEDDED = Path(__file__).parent / "mini"
ESCAPE = "Fix the row, or pass --skip-bad-rows to list and leave out such rows."


@dataclass(frozen=True)
class Access:
    """How this session reads data: which scale, where real files are, and what becomes of bad rows."""

    scale: Scale
    data_root: Path | None = None
    skip_bad_rows: bool = False
    lock_file: Path | None = None  # hub revisions, `recipes/hub.lock.json`


@dataclass
class Loaded:
    """Rows in training order, and those left out with the reason."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # "file:line: reason"


def source_file(source: Source, access: Access, what: str) -> Path | None:
    """The file a source is read from, or None for a hub dataset without a local copy."""
    if isinstance(source, Embedded):
        path = EMBEDDED / f"{source.name}.jsonl"
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in EMBEDDED.glob("*.jsonl")))
            raise DataError(f"dataset {what}: there is no embedded corpus {source.name!r} (known: {known}).")
        return path
    relative = source.path if isinstance(source, Files) else source.local if isinstance(source, Hub) else ""
    if access.data_root is None:
        if isinstance(source, Hub):
            return None
        raise DataError(
            f"dataset {what} at {access.scale} scale reads {relative}, and no data root is given.",
            "Pass --data-root DIR (README, 'Real text, small scale', says what lies there), or --scale mini.",
        )
    path = access.data_root / relative
    if not path.exists():
        if isinstance(source, Hub):
            return None
        raise DataError(f"dataset {what}: {path} does not exist.", f"Put {relative} below --data-root.")
    return path


def load(wanted: Dataset | Rows | Mix, access: Access, *, raw: bool = False) -> Loaded:
    """The rows asked for, in a stable order.

    Each is a training row with `id`, `source` and `origin` ("file:line"); with `raw`, as suites want it, each
    also has the file's own fields. Raises DataError at the first bad row unless
    the access skips them.
    """
    if isinstance(wanted, Dataset):
        wanted = wanted.rows()
    parts = wanted.parts if isinstance(wanted, Mix) else (wanted,)
    loaded = Loaded()
    groups = [_part(part, access, raw, loaded.left_out) for part in parts]
    if parts[0].portion is not None:
        groups = _by_share(groups, [part.portion or 0.0 for part in parts])
    loaded.rows = [row for group in groups for row in group]
    if len(groups) > 1:
        loaded.rows.sort(key=lambda row: row["rank"])
    for row in loaded.rows:
        del row["rank"]
    return loaded


def _part(part: Rows, access: Access, raw: bool, left_out: list[str]) -> list[dict[str, Any]]:
    """One dataset's rows by rank, duplicates passed over, `skip` and `count` applied."""
    dataset, scale = part.dataset, access.scale
    source = dataset.source(scale)
    ranked: dict[str, dict[str, Any]] = {}
    for origin, row in _read(source, access, dataset.name, left_out):
        if any(row.get(name) != value for name, value in source.only.items()):
            continue
        if source.min_chars and source.text and not str(row.get(source.text) or "").strip():
            continue  # blank, and so shorter than wanted
        missing = [name for name in source.require if row.get(name) is None]
        if missing:
            left_out.append(f'{origin}: "{missing[0]}" is null, and {dataset.name} requires it')
            continue
        try:
            read = training_row(row, source)
            text = row_text(read)
        except BadRow as bad:
            if raw and source.prompt is None and source.text is None:
                read, text = {}, json.dumps(row, sort_keys=True)  # a suite's own schema, such as a quiz
            elif not access.skip_bad_rows:
                raise DataError(f"{origin}: {bad}.", ESCAPE) from None
            else:
                left_out.append(f"{origin}: {bad}")
                continue
        if len(text) < source.min_chars or (source.max_chars is not None and len(text) > source.max_chars):
            continue
        rank = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        if rank in ranked:
            left_out.append(f"{origin}: the same text as {ranked[rank]['origin']}")
            continue
        own = {"id": str(row.get("id", rank[:12])), "source": dataset.name, "origin": origin, "rank": rank}
        ranked[rank] = {**(row if raw else {}), **read, **own}
    rows = [ranked[rank] for rank in sorted(ranked)]
    return _slice(rows, part, scale, str(source))


def _slice(rows: list[dict[str, Any]], part: Rows, scale: Scale, source: str) -> list[dict[str, Any]]:
    skip, count = part.skip.get(scale, 0), part.count[scale]
    if not rows:
        raise DataError(f"dataset {part.dataset.name}: {source} gives no rows.")
    if skip + (count or 1) > len(rows):
        beyond = f" beyond the first {skip:,}" if skip else ""
        raise DataError(
            f"dataset {part.dataset.name}: {count or 1:,} rows are asked for{beyond}, and {source} has {len(rows):,}."
        )
    return rows[skip : skip + count if count is not None else None]


def _by_share(groups: list[list[dict[str, Any]]], shares: list[float]) -> list[list[dict[str, Any]]]:
    """Whole rows of each group until its share of the characters is full; the scarcest group sets the sum."""
    sizes = [sum(len(row_text(row)) for row in group) for group in groups]
    total = min(size / share for size, share in zip(sizes, shares, strict=True))
    taken = []
    for group, share in zip(groups, shares, strict=True):
        budget, part = total * share, []  # type: ignore[var-annotated]
        for row in group:
            budget -= len(row_text(row))
            if budget < 0 and part:
                break
            part.append(row)
        taken.append(part)
    return taken


def _read(source: Source, access: Access, what: str, left_out: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", row) of every row in the source."""
    path = source_file(source, access, what)
    if path is None:
        assert isinstance(source, Hub)
        yield from hub.rows(source, what, access.lock_file)
        return
    separator = source.separator if isinstance(source, Files) else None
    yield from read_file(path, separator, access.skip_bad_rows, left_out)


def read_file(
    path: Path, separator: str | None = None, skip_bad_rows: bool = False, left_out: list[str] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", row) of a .jsonl or .json file, or of a text's documents; DataError names the line that cannot be read."""
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
    if path.suffix not in (".json", ".jsonl"):
        yield from _documents(path.name, text, separator or "\n\n")
        return
    if path.suffix == ".json":
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{path.name}:{error.lineno}: not JSON ({error.msg}); is the file cut short?") from None
        except RecursionError:
            raise DataError(f"{path.name}: not JSON (nested too deep).") from None
        if not isinstance(rows, list):
            raise DataError(f"{path.name}: holds {type(rows).__name__}, not a list of rows.")
        lines = [(f"{path.name}[{i}]", row) for i, row in enumerate(rows)]
    else:
        lines = [(f"{path.name}:{i}", line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    for origin, row in lines:
        problem = None
        if path.suffix != ".json":
            try:
                row = json.loads(row)
            except (json.JSONDecodeError, RecursionError) as error:
                problem = f"not JSON ({getattr(error, 'msg', 'nested too deep')}); is the file cut short?"
        if problem is None and not isinstance(row, dict):
            problem = f"row is {type(row).__name__}, not an object"
        if problem is None:
            yield origin, row
        elif skip_bad_rows and left_out is not None:
            left_out.append(f"{origin}: {problem}")
        else:
            raise DataError(f"{origin}: {problem}.", ESCAPE)


def _documents(name: str, text: str, separator: str) -> Iterator[tuple[str, dict[str, Any]]]:
    line = 1
    for document in text.split(separator):
        if document.strip():
            start = line + document[: len(document) - len(document.lstrip())].count("\n")
            yield f"{name}:{start}", {"text": document.strip()}
        line += document.count("\n") + separator.count("\n")
