"""One file -> train.jsonl and eval.jsonl: whole groups on one side, rows of the same text never apart."""

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
    """Write both sides, rows as they are in the file's order; for each side its rows and groups.

    Rows with the same field `by` make a group, or with the same text; groups that share a text are one.
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
    """A row's group, and its text's hash."""
    text = rank(row_text(checked(line)))
    if by is None:
        return text, text
    value = line.row.get(by)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        found = ", ".join(name for name, there in line.row.items() if isinstance(there, str | int)) or "nothing"
        raise DataError(f'{line.origin}: row has no "{by}" to split by (found: {found}).', "Choose another --by.")
    return str(value), text


def _groups(keys: list[tuple[str, str]]) -> list[str]:
    """For each row the name of its group: the smallest of those that shared texts lead to."""
    above: dict[str, str] = {}

    def top(group: str) -> str:
        while above.setdefault(group, group) != group:
            above[group] = group = above[above[group]]
        return group

    first: dict[str, str] = {}  # group in which a text was first seen
    for group, text in keys:
        one, other = sorted((top(group), top(first.setdefault(text, group))))
        above[other] = one
    return [top(group) for group, _ in keys]
