"""The results file: opened for a short time, made or migrated where needed, refused if it is not a results file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from harness.errors import WarehouseError
from harness.files import Json

SCHEMA = Path(__file__).parent / "schema.sql"
VERSION = 11
TABLES = (
    "runs", "checkpoints", "subjects", "measured", "baselines", "ratings", "training_log", "evaluations", "samples", "metrics",
    "floors", "gates", "sweeps", "curricula",
)  # fmt: skip


class Locked(WarehouseError):
    """The file is open in another process; ingest later."""


class Foreign(WarehouseError):
    """A database of something else, never to be replaced."""


@contextmanager
def connect(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a results file of this version, made if it does not exist.

    A file of an older version is copied to `<name>.v<version>` and then migrated; columns that it did not have are
    NULL. Raises Locked where another process has it open, WarehouseError where it is damaged or from a
    newer harness, or from an older one and only to be read.
    """
    if read_only and not path.exists():
        raise WarehouseError(f"{path} does not exist.", "Run a suite first, or `harness results rebuild`.")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
        older = None if read_only else _older_version(connection)
        if older is not None:
            connection.close()
            _migrate(path, older)
            connection = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "Could not set lock on file" in str(error):
            raise Locked(
                f"{path} is open in another process: {_holder(str(error))}.", "Close it there; nothing is lost."
            ) from None
        raise WarehouseError(
            f"{path} cannot be opened: {str(error).splitlines()[0]}",
            "If it is damaged, delete it and run `harness results rebuild`: the store holds all results.",
        ) from None
    except duckdb.Error as error:
        raise WarehouseError(
            f"{path} is not a usable results file: {str(error).splitlines()[0]}",
            "Delete it and run `harness results rebuild`: the store holds all results.",
        ) from None
    try:
        _check_version(connection, path, read_only)
        yield connection
    except duckdb.Error as error:
        if isinstance(error, duckdb.ProgrammingError | duckdb.IntegrityError | duckdb.DataError):
            raise  # a mistake in our SQL, not in the file
        raise WarehouseError(
            f"{path} is not a usable results file: {str(error).splitlines()[0]}",
            "If it is damaged, delete it and run `harness results rebuild`: the store holds all results.",
        ) from error
    finally:
        connection.close()


def query(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[Json]]:
    """Column names and rows of one statement; WarehouseError with DuckDB's words where it fails."""
    try:
        found = connection.execute(sql)
    except duckdb.Error as error:
        raise WarehouseError(f"the query fails: {error}") from None
    names = [column[0] for column in found.description or []]
    return names, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _older_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of a results file that an earlier harness made."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'warehouse'").fetchall():
        return None
    row = connection.execute("SELECT version FROM warehouse").fetchone()
    return int(row[0]) if row is not None and row[0] < VERSION else None


def _migrate(path: Path, older: int) -> None:
    """The file with this version's tables and all its rows; the old one is kept as `<name>.v<older>`."""
    fresh = path.with_name(f"{path.name}.migrating")
    fresh.unlink(missing_ok=True)
    with duckdb.connect(str(fresh)) as connection:
        connection.execute("BEGIN")
        _begin(connection)
        connection.execute(f"ATTACH {literal(path)} AS older (READ_ONLY)")
        columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name {} 'older' AND NOT internal"
        there = set(connection.execute(columns.format("=")).fetchall())
        both: dict[str, list[str]] = {}
        for table, column in connection.execute(columns.format("<>")).fetchall():
            if (table, column) in there and table in TABLES:
                both.setdefault(table, []).append(column)
        for table, names in both.items():
            chosen = ", ".join(names)
            connection.execute(f"INSERT INTO {table} ({chosen}) SELECT {chosen} FROM older.{table}")
        measured_by_older_sessions(connection)
        connection.execute("COMMIT")
        connection.execute("DETACH older")
    shutil.copy2(path, path.with_name(f"{path.name}.v{older}"))
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(SCHEMA.read_text())
    connection.execute("INSERT INTO warehouse VALUES (?)", [VERSION])


def literal(value: object) -> str:
    """The value's text as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path, read_only: bool) -> None:
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables and not read_only:
        connection.execute("BEGIN")
        _begin(connection)
        connection.execute("COMMIT")
        return
    if "warehouse" not in tables:
        raise Foreign(f"{path} is a DuckDB file, but not a results file.", "Name another one with --results.")
    row = connection.execute("SELECT version FROM warehouse").fetchone()
    if row is None or row[0] != VERSION:
        found = None if row is None else row[0]
        raise WarehouseError(
            f"{path} has schema version {found}, and this harness reads {VERSION}.",
            "Upgrade the harness."
            if found and found > VERSION
            else "The next session brings it to this version and keeps the old file; so does `harness results rebuild`.",
        )


def _holder(message: str) -> str:
    """DuckDB's own words on who holds the lock."""
    start = message.find("Conflicting lock is held in")
    return message[start:].split(". See")[0] if start >= 0 else message.splitlines()[0]


def measured_by_older_sessions(connection: duckdb.DuckDBPyConnection) -> None:
    """Rows of `measured` for sessions older than that table: the newest evaluation of each subject and suite at that time."""
    connection.execute(
        """
        INSERT INTO measured
        SELECT s.run_id, s.subject, e.suite, e.evaluation
        FROM subjects s JOIN runs r USING (run_id) JOIN evaluations e USING (fingerprint)
        WHERE s.run_id NOT IN (SELECT run_id FROM measured)
          AND e.sample_limit IS NOT DISTINCT FROM r.sample_limit
          AND e.created_at <= r.started_at + to_seconds(coalesce(r.seconds, 0) + 1)
        QUALIFY row_number() OVER (
            PARTITION BY s.run_id, s.subject, e.suite
            ORDER BY coalesce(e.scale = r.scale, false) DESC, e.created_at DESC
        ) = 1
        """
    )
