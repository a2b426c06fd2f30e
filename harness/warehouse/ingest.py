"""Store -> tables: whatever the warehouse lacks, in one transaction, each column as one list."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import duckdb

from harness.errors import StoreError, WarehouseError
from harness.files import Json
from harness.store import Artifact, Store, ratings
from harness.store.baselines import rows_of
from harness.store.sessions import SessionRows, read_sessions, used_by_others_alone
from harness.warehouse.file import Foreign, Locked, connect, measured_by_older_sessions
from harness.warehouse.rows import checkpoint_row, evaluation_row, floor_rows, log_rows, metric_rows, utc

SAMPLES = "samples.parquet"  # of an evaluation


def ingest(connection: duckdb.DuckDBPyConnection, store: Store) -> int:
    """What the store holds of its project and the warehouse lacks, in one transaction; the number of things added.

    What other projects alone measured stays out: their suites may have the same names, and other questions.
    """
    checkpoints = _unknown(connection, store.all("checkpoints"), "checkpoints", "fingerprint")
    others = used_by_others_alone(store)
    own = (artifact for artifact in store.all("evaluations") if artifact.key not in others)
    evaluations = _unknown(connection, own, "evaluations", "evaluation")
    runs = {row[0] for row in connection.execute("SELECT run_id FROM runs").fetchall()}
    sessions = [session for session in read_sessions(store) if session.run_id not in runs]
    store.bring([*checkpoints, *evaluations])
    for artifact in evaluations:
        if not (artifact.path / SAMPLES).is_file():
            raise StoreError(
                f"evaluation {artifact.short} lacks {SAMPLES}.", f"harness store prune --damaged {artifact.short}"
            )
    connection.execute("BEGIN")
    try:
        _insert_checkpoints(connection, checkpoints)
        _insert_evaluations(connection, evaluations)
        _insert_sessions(connection, sessions)
        connection.execute("DELETE FROM baselines")
        _insert(connection, "baselines", list(rows_of(store)))
        connection.execute("DELETE FROM ratings")
        _insert(connection, "ratings", list(ratings.rows_of(store)))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a damaged file has ended the transaction itself
            connection.execute("ROLLBACK")
        raise
    return len(checkpoints) + len(evaluations) + len(sessions)


def _insert_checkpoints(connection: duckdb.DuckDBPyConnection, checkpoints: list[Artifact]) -> None:
    _forget(connection, ("checkpoints", "training_log"), "fingerprint", checkpoints)
    _insert(connection, "checkpoints", [checkpoint_row(a) for a in checkpoints])
    _insert(connection, "training_log", [row for a in checkpoints for row in log_rows(a)])


def _insert_evaluations(connection: duckdb.DuckDBPyConnection, evaluations: list[Artifact]) -> None:
    _forget(connection, ("evaluations", "metrics", "samples"), "evaluation", evaluations)
    _insert(connection, "evaluations", [evaluation_row(a) for a in evaluations])
    _insert(connection, "metrics", [row for a in evaluations for row in metric_rows(a)])
    _insert(connection, "floors", [row for a in evaluations for row in floor_rows(a)], conflict="OR REPLACE")
    for artifact in evaluations:
        _insert_samples(connection, artifact)


def _insert_samples(connection: duckdb.DuckDBPyConnection, artifact: Artifact) -> None:
    """The evaluation's samples; columns that an older one does not have are NULL."""
    file = str(artifact.path / SAMPLES)
    there = ", ".join(row[0] for row in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [file]).fetchall())
    connection.execute(
        f"INSERT INTO samples (evaluation, position, {there}) "
        f"SELECT ?, file_row_number, {there} FROM read_parquet(?, file_row_number = true)",
        [artifact.key, file],
    )


def _insert_sessions(connection: duckdb.DuckDBPyConnection, sessions: list[SessionRows]) -> None:
    _insert(connection, "runs", [session.run for session in sessions])
    _insert(connection, "subjects", [row for session in sessions for row in session.subjects])
    _insert(connection, "gates", [row for session in sessions for row in session.gates])
    _insert(connection, "measured", [row for session in sessions for row in session.measured])
    _insert(connection, "sweeps", [row for session in sessions for row in session.sweeps])
    _insert(connection, "curricula", [row for session in sessions for row in session.curricula])
    measured_by_older_sessions(connection)


def _forget(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str], column: str, artifacts: list[Artifact]
) -> None:
    """Delete the rows of artifacts that were made again."""
    for table in tables:
        connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT unnest(?))", [[a.key for a in artifacts]])


def _unknown(
    connection: duckdb.DuckDBPyConnection, artifacts: Iterable[Artifact], table: str, column: str
) -> list[Artifact]:
    """The artifacts that the table lacks, or holds in an earlier version."""
    moment = "strftime(created_at, '%Y-%m-%dT%H:%M:%S.%g')"  # to the millisecond, as manifests write it
    known = set(connection.execute(f"SELECT {column}, {moment} FROM {table}").fetchall())
    return [a for a in artifacts if (a.key, utc(a)) not in known]


def rebuild(path: Path, store: Store) -> int:
    """Make the tables again beside the old file and put them in its place; returns the number of things in it."""
    fresh = path.with_suffix(".rebuilding")
    fresh.unlink(missing_ok=True)
    if path.exists():
        try:  # nobody may be reading while it is replaced
            with connect(path):
                pass
        except (Locked, Foreign):
            raise
        except WarehouseError:
            pass  # damaged or of another version: rebuilding is the remedy
    with connect(fresh) as connection:
        count = ingest(connection, store)
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return count


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Json], conflict: str = "") -> None:
    """Rows by column name, each column as one list."""
    if not rows:
        return
    columns = dict.fromkeys(name for row in rows for name in row)
    types = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    )
    given = {name: [row.get(name) for row in rows] for name in columns}
    chosen = ", ".join(f"unnest(CAST(${name} AS {types[name]}[]))" for name in columns)
    connection.execute(f"INSERT {conflict} INTO {table} ({', '.join(columns)}) SELECT {chosen}", given)
