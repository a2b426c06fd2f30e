"""The queries in `sql/`: each returns rows, none writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SQL = Path(__file__).parent / "sql"


def rows(connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[dict]:
    """The rows of `<query>.sql` by column name."""
    cursor = connection.execute((SQL / f"{query}.sql").read_text(encoding="utf-8"), parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def parsed(text: str | None, empty: dict | list) -> Any:
    """A JSON column's value; `empty` for NULL."""
    return empty if text is None else json.loads(text)
