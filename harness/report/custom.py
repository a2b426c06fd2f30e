"""Sections with a query of their own: one SELECT on the results file, its rows as a table or a chart."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from harness.report.content import Content, declared_name
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
    """The section's rows, or what is wrong with its SQL; the rest of the report does not depend on it."""
    try:
        statements = connection.extract_statements(section.sql)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            return _wrong(section, "its SQL must be one SELECT; a report changes nothing")
        columns, rows = _selected(connection, statements[0], content)
    except Exception as error:  # whatever DuckDB says of the user's SQL
        return _wrong(section, str(error).strip().split("\n")[0])
    shown = tuple(tuple(map(_cut, row)) for row in rows[:MOST_ROWS])
    return Queried(columns, shown, len(rows) - len(shown))


def _wrong(section: Table | Chart, problem: str) -> Queried:
    return Queried(problem=f"{type(section).__name__} {section.title!r}: {problem}")


def _selected(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, content: Content
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Column names and rows, from a read-only transaction: in DuckDB the WITH of a SELECT may delete rows."""
    given = {
        "run": content.run.run_id,
        "runs": [run.run_id for run in content.runs],
        "subjects": list(dict.fromkeys(declared_name(one.name, one.setting) for one in content.subjects)),
    }
    named = {name: value for name, value in given.items() if name in statement.named_parameters}
    connection.execute("BEGIN TRANSACTION READ ONLY")
    try:
        cursor = connection.execute(statement, named)
        return tuple(column[0] for column in cursor.description or ()), cursor.fetchall()
    finally:
        connection.execute("ROLLBACK")


def _cut(value: Any) -> Any:
    """The value, or the beginning of its text where that is long."""
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = str(value)
    return text[:MOST_CHARACTERS] + "…" if len(text) > MOST_CHARACTERS else value
