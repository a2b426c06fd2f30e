"""Sections that ask the results file themselves: one SELECT each, its rows as a table or a chart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.content import Content
from harness.report.declared import Chart, Table

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 500  # of one table
MOST_CHARACTERS = 400  # of one cell


@dataclass(frozen=True)
class Queried:
    """What a section's query gave, or what is wrong with it."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    left_out: int = 0  # rows beyond MOST_ROWS
    problem: str = ""


def queried(connection: duckdb.DuckDBPyConnection, section: Table | Chart, content: Content) -> Queried:
    """The section's rows; whatever is wrong with its SQL is its own problem, and the report's other parts stand."""
    try:
        statements = connection.extract_statements(section.sql)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            return _wrong(section, "its SQL must be one SELECT; a report changes nothing")
        cursor = connection.execute(section.sql, _parameters(section.sql, content))
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()
    except Exception as error:  # whatever DuckDB says of the user's SQL
        return _wrong(section, str(error).strip().split("\n")[0])
    shown = tuple(tuple(map(_cut, row)) for row in rows[:MOST_ROWS])
    return Queried(columns, shown, len(rows) - len(shown))


def _wrong(section: Table | Chart, problem: str) -> Queried:
    return Queried(problem=f"{type(section).__name__} {section.title!r}: {problem}")


def _parameters(sql: str, content: Content) -> Mapping[str, object]:
    """What a query may name; DuckDB refuses what it does not name."""
    given = {
        "run": content.run.run_id,
        "runs": [run.run_id for run in content.runs],
        "subjects": [subject.name for subject in content.subjects],
    }
    return {name: value for name, value in given.items() if re.search(rf"\${name}\b", sql)}


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return value[:MOST_CHARACTERS] + "…"
    return value
