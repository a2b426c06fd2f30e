"""Declared rows -> rows in memory: read, checked, put in a stable order, mixed. Runs only if a result is missing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.reading import hub
from harness.data.reading.files import ESCAPE, PlacedRow, read_file
from harness.data.reading.formats import BadRow, row_text, training_row
from harness.data.reading.groups import held_out_groups, rank
from harness.data.sources import Dataset, Embedded, Files, Hub, Mix, Row, Rows, Scale, Source, Split, Taken
from harness.errors import DataError

EMBEDDED = Path(__file__).parents[1] / "mini"


@dataclass(frozen=True)
class Access:
    """How this session reads data: at which scale, from which folder, and whether bad rows are skipped."""

    scale: Scale
    data_root: Path | None = None
    skip_bad_rows: bool = False
    lock_file: Path | None = None  # hub revisions, `recipes/hub.lock.json`


@dataclass
class Loaded:
    """Rows in training order, and a line for each row left out."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # "file:line: reason"


def source_file(source: Source, access: Access, what: str) -> Path | None:
    """The file a source is read from; None for a hub dataset without a local copy. Raises DataError if missing."""
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
            "Pass --data-root DIR (docs/experiments.md says what lies there), or --scale mini.",
        )
    path = access.data_root / relative
    if not path.exists():
        if isinstance(source, Hub):
            return None
        raise DataError(f"dataset {what}: {path} does not exist.", f"Put {relative} below --data-root.")
    return path


def load(wanted: Dataset | Rows | Mix, access: Access, *, raw: bool = False) -> Loaded:
    """The rows that `wanted` declares, in a stable order.

    Each is a training row (`messages` or `text`) with `id`, `source` (its dataset's name), `origin` ("file:line") and
    `group`. With `raw`, for suites, it also has its fields from the file, and its format may be unknown.
    Raises DataError at the first bad row, unless the access skips bad rows.
    """
    loaded = _in_order(wanted, access, raw)
    _tell_apart(loaded.rows)
    for row in loaded.rows:
        del row["rank"]
    return loaded


def _in_order(wanted: Dataset | Rows | Mix, access: Access, raw: bool) -> Loaded:
    """The rows in the order of their ranks, by which further ones can be put among them."""
    wanted = as_given(wanted, access)
    parts = wanted.parts if isinstance(wanted, Mix) else (wanted,)
    loaded = Loaded()
    by_part = [_part(part, access, raw, loaded.left_out) for part in parts]
    if parts[0].portion is not None:
        by_part = _by_share(by_part, [part.portion or 0.0 for part in parts])
    loaded.rows = [row for rows in by_part for row in rows]
    if len(by_part) > 1:
        loaded.rows.sort(key=lambda row: row["rank"])
    if isinstance(wanted, Mix) and wanted.divided is not None:
        loaded.rows = _side(loaded.rows, wanted.divided, access.scale)
    if isinstance(wanted, Mix) and wanted.taken is not None:
        loaded.rows = _taken(loaded.rows, wanted.taken)
    if isinstance(wanted, Mix) and wanted.added:
        for other in wanted.added:
            more = _in_order(other, access, raw)
            loaded.rows, loaded.left_out = loaded.rows + more.rows, loaded.left_out + more.left_out
        loaded.rows.sort(key=lambda row: row["rank"])
    return loaded


def _tell_apart(rows: list[Row]) -> None:
    """Give a row whose id an earlier one has an id of its own, "7#2" after "7": files may repeat ids, and two may share
    them. Rows are in the order of their texts' hashes, so it is the same on every machine.
    """
    seen: set[str] = set()
    last: dict[str, int] = {}  # the number that was given last, by id
    for row in rows:
        own, number = row["id"], last.get(row["id"], 1)
        while row["id"] in seen:
            number += 1
            row["id"] = f"{own}#{number}"
        last[own] = number
        seen.add(row["id"])


def as_given(wanted: Dataset | Rows | Mix, access: Access) -> Rows | Mix:
    """The rows to read for `wanted`: those of a mix's published file, if the user has it, instead of its parts."""
    if isinstance(wanted, Dataset):
        return wanted.rows()
    if not isinstance(wanted, Mix) or wanted.file is None or access.scale != "full" or access.data_root is None:
        return wanted
    if not (access.data_root / wanted.file).exists():
        return wanted
    whole = Mix(Dataset(name=Path(wanted.file).stem, full=Files(wanted.file)).rows(wanted.published_rows()))
    object.__setattr__(whole, "divided", wanted.divided)
    object.__setattr__(whole, "taken", wanted.taken)
    object.__setattr__(whole, "added", wanted.added)
    return whole


def _side(rows: list[Row], split: Split, scale: Scale) -> list[Row]:
    """The rows of one side of the split; all rows of a group are on the same side."""
    count = split.count[scale]
    if count is None:
        raise DataError(f"a mix that is split says nothing of {scale} scale.", f"Give split({scale}=n).")
    groups = Counter(row["group"] for row in rows)
    who = " + ".join(dict.fromkeys(row["source"] for row in rows))
    chosen = held_out_groups(groups, count, who)
    return [row for row in rows if (row["group"] in chosen) == (split.side == "held_out")]


def _taken(rows: list[Row], taken: Taken) -> list[Row]:
    """The first rows of each group, then the first of those. Raises DataError where there are not so many."""
    who = " + ".join(dict.fromkeys(row["source"] for row in rows))
    if taken.per_group is not None:
        number: Counter[tuple[str, str]] = Counter()  # of each dataset's group, so far
        kept = []
        for row in rows:
            number[row["source"], row["group"]] += 1
            if number[row["source"], row["group"]] <= taken.per_group:
                kept.append(row)
        if taken.per_group > (largest := max(number.values())):
            raise DataError(
                f"{who}: {taken.per_group} rows of each group are asked for, and the largest group has {largest}.",
                "Dataset sources say by `group` which rows belong together.",
            )
        rows = kept
    if taken.rows is not None and taken.rows > len(rows):
        raise DataError(f"{who}: {taken.rows:,} rows are asked for, and there are {len(rows):,} to take from.")
    return rows[: taken.rows]


def _part(part: Rows, access: Access, raw: bool, left_out: list[str]) -> list[Row]:
    """One dataset's rows, sorted by rank, each text once, after `skip` and `count`.

    The rank of a row is a hash of its text. So neither the order of the file nor a seed decides which rows are taken,
    and when rows are added to a file, most of those taken before are taken again.
    """
    dataset, source = part.dataset, part.dataset.source(access.scale)
    ranked: dict[str, Row] = {}
    for origin, row in _exploded(_read(source, access, dataset.name, left_out), source.explode):
        read = _read_row(origin, row, part, access, raw, left_out)
        if read is None:
            continue
        if read["rank"] in ranked:
            left_out.append(f"{origin}: the same text as {ranked[read['rank']]['origin']}")
            continue
        if source.group is not None and row.get(source.group) is None:
            raise DataError(f'{origin}: rows of {dataset.name} are grouped by "{source.group}", and this one has none.')
        read["group"] = read["rank"] if source.group is None else str(row[source.group])
        ranked[read["rank"]] = read
    return _slice([ranked[key] for key in sorted(ranked)], part, access.scale, str(source))


def _read_row(origin: str, row: Row, part: Rows, access: Access, raw: bool, left_out: list[str]) -> Row | None:
    """The row as it is trained on or asked; None if its source filters it out, or if it is bad and skipped."""
    dataset, source = part.dataset, part.dataset.source(access.scale)
    if any(row.get(name) != value for name, value in source.only.items()):
        return None
    if source.min_chars and source.text and not str(row.get(source.text) or "").strip():
        return None  # blank, so shorter than min_chars; not a bad row
    missing = [name for name in source.require if row.get(name) is None]
    if missing:
        left_out.append(f'{origin}: "{missing[0]}" is null, and {dataset.name} requires it')
        return None
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
            return None
    if len(text) < source.min_chars or (source.max_chars is not None and len(text) > source.max_chars):
        return None
    key = rank(text)
    own = row.get("id")
    identity = {"id": key[:12] if own is None else str(own), "source": dataset.name, "origin": origin, "rank": key}
    kept = row if raw else {name: row[name] for name in source.keep if row.get(name) is not None}
    return {**kept, **read, **identity}


def _exploded(rows: Iterator[PlacedRow], name: str | None) -> Iterator[PlacedRow]:
    """A row for each object in the row's list `name`; without a name, the rows as they are.

    Such a row has the outer row's fields (except lists), then the object's. If the object has no `id`, it is numbered
    ("7-questions-2" is the second of row 7's `questions`); `item` is the id of the outer row.
    """
    if name is None:
        yield from rows
        return
    for origin, row in rows:
        objects = row.get(name)
        if not isinstance(objects, list) or not all(isinstance(entry, dict) for entry in objects):
            raise DataError(f'{origin}: "{name}" is not a list of objects.')
        outer = {key: value for key, value in row.items() if not isinstance(value, list)}
        for number, entry in enumerate(objects, 1):
            identity = {"item": row.get("id"), "id": f"{row.get('id')}-{name}-{number}"}
            yield f"{origin}[{number}]", {**outer, **identity, **entry}


def _slice(rows: list[Row], part: Rows, scale: Scale, source: str) -> list[Row]:
    """The part's `count` rows after its `skip`. Raises DataError if there are fewer."""
    skip, count = part.skip.get(scale, 0), part.count[scale]
    if not rows:
        raise DataError(f"dataset {part.dataset.name}: {source} gives no rows.")
    if skip is None:
        raise DataError(
            f"dataset {part.dataset.name}: no rows are left to hold out at {scale} scale, where all of {source} are taken.",
            f"Give the rows before them a count: rows(..., {scale}=N).",
        )
    if skip + (count or 1) > len(rows):
        beyond = f" beyond the first {skip:,}" if skip else ""
        raise DataError(
            f"dataset {part.dataset.name}: {count or 1:,} rows are asked for{beyond}, and {source} has {len(rows):,}."
        )
    return rows[skip : skip + count if count is not None else None]


def _by_share(by_part: list[list[Row]], shares: list[float]) -> list[list[Row]]:
    """Each part's first rows that fit its share of the mix's characters, at least one.

    The mix is as large as the scarcest part allows. Parts of 600 and 1,000 characters with a share of 0.5 each make a
    mix of min(600 / 0.5, 1,000 / 0.5) = 1,200 characters, and the second part gives 600 of its 1,000.
    """
    sizes = [sum(len(row_text(row)) for row in rows) for rows in by_part]
    total = min(size / share for size, share in zip(sizes, shares, strict=True))
    taken = []
    for rows, share in zip(by_part, shares, strict=True):
        budget, part = total * share, []  # type: ignore[var-annotated]
        for row in rows:
            budget -= len(row_text(row))
            if budget < 0 and part:
                break
            part.append(row)
        taken.append(part)
    return taken


def _read(source: Source, access: Access, what: str, left_out: list[str]) -> Iterator[PlacedRow]:
    """Place and row, for every row of the source."""
    path = source_file(source, access, what)
    if path is None:
        assert isinstance(source, Hub)
        yield from hub.rows(source, what, access.lock_file)
        return
    separator = source.separator if isinstance(source, Files) else None
    yield from read_file(path, separator, access.skip_bad_rows, left_out)
