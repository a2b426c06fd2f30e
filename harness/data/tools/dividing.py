"""One file -> train.jsonl and eval.jsonl: a group of rows is never split, nor are rows with the same text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from harness.data.reading.formats import row_text
from harness.data.reading.groups import held_out_groups, rank
from harness.data.reading.lines import Line, checked, lines
from harness.errors import DataError
from harness.files import moved_into


def divide(
    path: Path, folder: Path, *, ratio: float | None = None, rows: int | None = None, by: str | None = None
) -> dict[str, dict[str, int]]:
    """Write train.jsonl and eval.jsonl into `folder`; for each side, its numbers of `rows` and `groups`.

    Rows keep their bytes and their order. Rows with the same value in the field `by` are a group; without `by`, rows
    with the same text are. Groups that share a text are merged into one. Either `ratio`, a share of the rows, or `rows`
    says how many are held out. Raises DataError if whole groups do not fill that number exactly.
    """
    if (ratio is None) == (rows is None):
        raise DataError("how much is held out must be given once.", "Pass --eval-ratio or --eval-rows.")
    if ratio is not None and not 0 < ratio < 1:
        raise DataError(f"--eval-ratio {ratio} is not between 0 and 1.", "Give a share such as 0.1.")
    if path.resolve() in [(folder / name).resolve() for name in ("train.jsonl", "eval.jsonl")]:
        raise DataError(f"{path} would be replaced by its own part.", "Name another --output-dir.")
    groups = _groups([_keys(line, by) for line in lines(path)])
    sizes = Counter(groups)
    if rows is None:
        assert ratio is not None
        rows = round(ratio * len(groups))
        if not 0 < rows < len(groups):
            raise DataError(
                f"--eval-ratio {ratio}: {rows:,} of {len(groups):,} rows would be held out; some must be on both sides.",
                "Give another ratio, or more rows.",
            )
    held_out = held_out_groups(sizes, rows, path.name)
    with (
        moved_into(folder) as work,
        (work / "train.jsonl").open("wb") as train,
        (work / "eval.jsonl").open("wb") as held_out_file,
    ):
        for line, group in zip(lines(path), groups, strict=True):
            raw = line.raw if line.raw.endswith(b"\n") else line.raw + b"\n"
            (held_out_file if group in held_out else train).write(raw)
    return {
        "train": {"rows": len(groups) - rows, "groups": len(sizes) - len(held_out)},
        "eval": {"rows": rows, "groups": len(held_out)},
    }


def _keys(line: Line, by: str | None) -> tuple[str, str]:
    """(group, hash of the text) of a row."""
    text = rank(row_text(checked(line)))
    if by is None:
        return text, text
    value = line.row.get(by)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        usable = ", ".join(name for name, other in line.row.items() if isinstance(other, str | int)) or "nothing"
        raise DataError(f'{line.origin}: row has no "{by}" to split by (found: {usable}).', "Choose another --by.")
    return str(value), text


def _groups(keys: list[tuple[str, str]]) -> list[str]:
    """For each row's (group, text), the name of its group after groups that share a text are merged.

    A merged group has the smallest of its groups' names. Rows (a, x), (b, x), (b, y), (c, y) are all in group a: a and
    b share the text x, b and c share y. (A union-find: each group points to a parent, a root to itself.)
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            parent[group] = group = parent[parent[group]]  # halve the path on the way up
        return group

    first: dict[str, str] = {}  # text -> the group in which it was first seen
    for group, text in keys:
        smaller, larger = sorted((root(group), root(first.setdefault(text, group))))
        parent[larger] = smaller
    return [root(group) for group, _ in keys]
