"""The warehouse: DuckDB tables built from the store, in short transactions, by the controlling process alone.

Nothing here is the only copy: what cannot be ingested now, because the file is open elsewhere, is ingested by
the next session, and `harness results rebuild` makes the file anew. Sessions themselves are kept in the
store's `sessions/` as JSON, one file each, for that reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from harness.errors import StoreError, WarehouseError
from harness.store import Artifact, Store

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 2


class Locked(WarehouseError):
    """The file is open in another process; ingest later."""


class Foreign(WarehouseError):
    """A database of something else, never to be replaced."""


@contextmanager
def connect(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a warehouse of this version, made if need be.

    A file of an older version is kept beside it as `<name>.v<version>`, and a new one begun: the next ingest fills
    it from the store. Raises Locked where another process has it open, WarehouseError where it is damaged or from a newer harness.
    """
    if read_only and not path.exists():
        raise WarehouseError(f"{path} does not exist.", "Run a suite first, or `harness results rebuild`.")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
        older = None if read_only else _older_version(connection)
        if older is not None:
            connection.close()
            path.replace(path.with_name(f"{path.name}.v{older}"))
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
            raise  # our own SQL, not the file
        raise WarehouseError(
            f"{path} is not a usable results file: {str(error).splitlines()[0]}",
            "If it is damaged, delete it and run `harness results rebuild`: the store holds all results.",
        ) from error
    finally:
        connection.close()


def _older_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of a results file that an earlier harness made."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'warehouse'").fetchall():
        return None
    row = connection.execute("SELECT version FROM warehouse").fetchone()
    return int(row[0]) if row is not None and row[0] < VERSION else None


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path, read_only: bool) -> None:
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables and not read_only:
        connection.execute("BEGIN")
        connection.execute(SCHEMA.read_text())
        connection.execute("INSERT INTO warehouse VALUES (?)", [VERSION])
        connection.execute("COMMIT")
        return
    if "warehouse" not in tables:
        raise Foreign(f"{path} is a DuckDB file, but not a results file.", "Name another one with --results.")
    row = connection.execute("SELECT version FROM warehouse").fetchone()
    if row is None or row[0] != VERSION:
        found = None if row is None else row[0]
        raise WarehouseError(
            f"{path} has schema version {found}, and this harness reads {VERSION}.",
            "Upgrade the harness." if found and found > VERSION else "Delete it and run `harness results rebuild`.",
        )


def _holder(message: str) -> str:
    """DuckDB's own words on who holds the lock."""
    start = message.find("Conflicting lock is held in")
    return message[start:].split(". See")[0] if start >= 0 else message.splitlines()[0]


def ingest(connection: duckdb.DuckDBPyConnection, store: Store) -> int:
    """Everything in the store that the warehouse lacks, in one transaction; the number of things added."""
    checkpoints = _unknown(connection, store.all("checkpoints"), "checkpoints", "fingerprint")
    evaluations = _unknown(connection, store.all("evaluations"), "evaluations", "evaluation")
    runs = {row[0] for row in connection.execute("SELECT run_id FROM runs").fetchall()}
    sessions = [s for s in read_sessions(store.root) if s["run"]["run_id"] not in runs]
    for artifact in evaluations:
        if not (artifact.path / "samples.parquet").is_file():
            raise StoreError(
                f"evaluation {artifact.short} lacks samples.parquet.", f"harness store prune --damaged {artifact.short}"
            )
    connection.execute("BEGIN")
    try:
        for table, column, artifacts in (
            ("checkpoints", "fingerprint", checkpoints),
            ("training_log", "fingerprint", checkpoints),
            ("evaluations", "evaluation", evaluations),
            ("metrics", "evaluation", evaluations),
            ("samples", "evaluation", evaluations),
        ):  # what was made anew takes the place of what was there
            connection.execute(
                f"DELETE FROM {table} WHERE {column} IN (SELECT unnest(?))", [[a.key for a in artifacts]]
            )
        _insert(connection, "checkpoints", [_checkpoint_row(a) for a in checkpoints])
        _insert(connection, "training_log", [row for a in checkpoints for row in _log_rows(a)])
        _insert(connection, "evaluations", [_evaluation_row(a) for a in evaluations])
        _insert(connection, "metrics", [row for a in evaluations for row in _metric_rows(a)])
        _insert(connection, "floors", [row for a in evaluations for row in _floor_rows(a)], conflict="OR REPLACE")
        for artifact in evaluations:
            connection.execute(
                "INSERT INTO samples SELECT ?, sample_id, cluster, prompt, target, completion, scores FROM read_parquet(?)",
                [artifact.key, str(artifact.path / "samples.parquet")],
            )
        _insert(connection, "runs", [s["run"] for s in sessions])
        _insert(connection, "subjects", [row for s in sessions for row in s["subjects"]])
        _insert(connection, "gates", [row for s in sessions for row in s["gates"]])
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a damaged file has ended the transaction itself
            connection.execute("ROLLBACK")
        raise
    return len(checkpoints) + len(evaluations) + len(sessions)


def _unknown(
    connection: duckdb.DuckDBPyConnection, artifacts: Iterable[Artifact], table: str, column: str
) -> list[Artifact]:
    """The artifacts that the table lacks, or holds from an earlier making."""
    moment = "strftime(created_at, '%Y-%m-%dT%H:%M:%S.%g')"  # to the millisecond, as manifests write it
    known = set(connection.execute(f"SELECT {column}, {moment} FROM {table}").fetchall())
    return [a for a in artifacts if (a.key, _utc(a)) not in known]


def query(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Column names and rows of one statement; WarehouseError with DuckDB's words where it fails."""
    try:
        found = connection.execute(sql)
    except duckdb.Error as error:
        raise WarehouseError(f"the query fails: {error}") from None
    names = [column[0] for column in found.description or []]
    return names, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def rebuild(path: Path, store: Store) -> int:
    """The same tables made anew beside the old file, then put in its place; the number of things in it."""
    fresh = path.with_suffix(".rebuilding")
    fresh.unlink(missing_ok=True)
    if path.exists():
        try:  # nobody may be reading while it is replaced
            with connect(path):
                pass
        except (Locked, Foreign):
            raise
        except WarehouseError:
            pass  # damaged or of another version: the very reason to rebuild
    with connect(fresh) as connection:
        count = ingest(connection, store)
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return count


def write_session(
    root: Path, run: Mapping[str, Any], subjects: list[dict[str, Any]], gates: list[dict[str, Any]]
) -> None:
    """Keep a session's own rows in the store, from which the warehouse takes them."""
    folder = root / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{run['run_id']}.tmp"
    temporary.write_text(json.dumps({"run": run, "subjects": subjects, "gates": gates}))
    temporary.replace(folder / f"{run['run_id']}.json")


def read_sessions(root: Path) -> list[dict[str, Any]]:
    """All sessions kept in the store, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((root / "sessions").glob("*.json"))]


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]], conflict: str = "") -> None:
    """Rows by column name, as one Arrow table."""
    if not rows:
        return
    import pyarrow

    columns = dict.fromkeys(name for row in rows for name in row)
    types = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    )
    batch = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
    connection.register("incoming", batch)
    chosen = ", ".join(f"CAST({name} AS {types[name]})" for name in columns)
    connection.execute(f"INSERT {conflict} INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM incoming")
    connection.unregister("incoming")


def _checkpoint_row(artifact: Artifact) -> dict[str, Any]:
    record = artifact.record
    names = (
        "trainable_parameters", "total_parameters", "training_rows", "truncated_rows", "optimizer_steps", "tokens",
        "train_seconds", "peak_memory_bytes", "device",
    )  # fmt: skip
    return {
        "fingerprint": artifact.key,
        "stage": artifact.spec["stage"],
        "parent": artifact.spec["base"].get("checkpoint"),
        "spec": json.dumps(artifact.spec),
        **{name: record.get(name) for name in names},
        "rows_by_source": json.dumps(record.get("rows_by_source", {})),
        "environment": json.dumps(record["environment"]),
        "created_at": _utc(artifact),
    }


def _log_rows(artifact: Artifact) -> Iterable[dict[str, Any]]:
    """One row per optimizer step; a held-out loss stands on its step's row."""
    by_step: dict[int, dict[str, Any]] = {}
    path = artifact.path / "training_log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        row = by_step.setdefault(entry["step"], {"fingerprint": artifact.key, "step": entry["step"]})
        row.update(
            {
                name: entry[name]
                for name in ("loss", "eval_loss", "learning_rate", "grad_norm", "tokens")
                if name in entry
            }
        )
    return by_step.values()


def _evaluation_row(artifact: Artifact) -> dict[str, Any]:
    record = artifact.record
    names = ("subject", "scale", "prompt_digest", "samples", "seconds", "tokens", "peak_memory_bytes", "device")
    return {
        "evaluation": artifact.key,
        "fingerprint": artifact.spec["checkpoint"],
        "suite": artifact.spec["suite"]["name"],
        "system_prompt": artifact.spec["suite"]["system_prompt"],
        "spec": json.dumps(artifact.spec),
        **{name: record.get(name) for name in names},
        "environment": json.dumps(record["environment"]),
        "created_at": _utc(artifact),
    }


def _metric_rows(artifact: Artifact) -> Iterable[dict[str, Any]]:
    for name, metric in artifact.record["metrics"].items():
        yield {"evaluation": artifact.key, "metric": name, **metric}


def _floor_rows(artifact: Artifact) -> Iterable[dict[str, Any]]:
    for metric, floors in artifact.record.get("floors", {}).items():
        for floor, value in floors.items():
            yield {
                "suite": artifact.spec["suite"]["name"],
                "scale": artifact.record["scale"],
                "metric": metric,
                "floor": floor,
                "value": value,
            }


def _utc(artifact: Artifact) -> str:
    return str(artifact.manifest["created_at"]).removesuffix("+00:00")
