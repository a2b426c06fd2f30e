"""What a part finds: rows of tables, each with what is allowed where there is such a thing."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Steps = dict[str, Callable[[], None]]  # of a part, by name


class Checks:
    """Rows in the order found; written after each step, so that what ends too early leaves what it had."""

    def __init__(self, part: str, where: dict[str, Any], file: Path | None) -> None:
        self.part, self.where, self.file = part, where, file
        self.checks: list[dict[str, Any]] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.seconds: dict[str, float] = {}
        self.kept: dict[str, str] = {}

    def at_most(self, what: str, found: float, allowed: float, unit: str = "") -> None:
        """A figure that must not be above `allowed`."""
        self._add(what, f"{found:.3g} {unit}".strip(), f"at most {allowed:g}", bool(found <= allowed))

    def at_least(self, what: str, found: float, wanted: float, unit: str = "") -> None:
        """A figure that must not be below `wanted`."""
        self._add(what, f"{found:.4g} {unit}".strip(), f"at least {wanted:g}", bool(found >= wanted))

    def that(self, what: str, holds: bool, found: object = "") -> None:
        """Something that must be so."""
        self._add(what, str(found), "so", holds)

    def row(self, table: str, **columns: Any) -> None:
        """A line of a table of figures, which nothing is asked of."""
        self.tables.setdefault(table, []).append(columns)

    def keep(self, name: str, printed: str) -> None:
        """What another program has printed, for the file alone."""
        self.kept[name] = printed

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of the part: its error is a row, and the next step follows all the same."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            first = (str(error).splitlines() or [""])[0]
            self._add(name, f"{type(error).__name__}: {first}"[:200], "no error", False)
        self.seconds[name] = round(time.perf_counter() - started, 1)
        print(f"{name}: {self.seconds[name]} s", file=sys.stderr, flush=True)
        self.write()

    def write(self) -> None:
        """The rows as JSON, if a file was named."""
        if self.file is not None:
            found = {"part": self.part, "where": self.where, "checks": self.checks, "tables": self.tables}
            self.file.write_text(json.dumps({**found, "seconds": self.seconds, "kept": self.kept}, indent=1))

    def show(self) -> bool:
        """Print all tables; whether everything holds."""
        print(f"\n## {self.part}\n\n{', '.join(f'{name} {value}' for name, value in self.where.items())}")
        for name, rows in {**self.tables, "checks": self.checks}.items():
            if rows:
                print(f"\n{name}\n\n{as_table(rows)}")
        return all(check["holds"] for check in self.checks)

    def _add(self, what: str, found: str, allowed: str, holds: bool) -> None:
        self.checks.append({"what": what, "found": found, "allowed": allowed, "holds": holds})


def as_table(rows: list[dict[str, Any]]) -> str:
    """The rows in markdown; columns as the first row has them."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_shown(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "–" if value is None else str(value)
