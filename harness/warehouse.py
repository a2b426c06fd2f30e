"""The warehouse: DuckDB tables built from the store, in short transactions, by the controlling process alone.

Nothing here is the only copy: what cannot be ingested now, because the file is open elsewhere, is ingested by
the next session, and `harness results rebuild` makes the file anew. Sessions themselves are kept in the
store's `sessions/` as JSON, one file each, for that reason.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from harness import baselines
from harness.errors import StoreError, WarehouseError
from harness.store import Artifact, Store

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 3
TABLES = (
    "runs", "checkpoints", "subjects", "measured", "baselines", "training_log", "evaluations", "samples", "metrics",
    "floors", "gates",
)  # fmt: skip


class Locked(WarehouseError):
    """The file is open in another process; ingest later."""


class Foreign(WarehouseError):
    """A database of something else, never to be replaced."""


@contextmanager
def connect(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a warehouse of this version, made if need be.

    A file of an older version is copied to `<name>.v<version>` and then brought to this one; what that version did
    not hold is NULL. Raises Locked where another process has it open, WarehouseError where it is damaged or from a
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
            raise  # our own SQL, not the file
        raise WarehouseError(
            f"{path} is not a usable results file: {str(error).splitlines()[0]}",
            "If it is damaged, delete it and run `harness results rebuild`: the store holds all results.",
        ) from error
    finally:
        connection.close()


KEYS = {  # table -> the column by which its rows belong to one run, checkpoint or evaluation
    "runs": "run_id", "subjects": "run_id", "measured": "run_id", "gates": "run_id",
    "checkpoints": "fingerprint", "training_log": "fingerprint",
    "evaluations": "evaluation", "samples": "evaluation", "metrics": "evaluation",
}  # fmt: skip
OWNERS = {"run_id": "runs", "fingerprint": "checkpoints", "evaluation": "evaluations"}


@contextmanager
def combined(paths: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads several results files as one, in memory; what two of them hold is taken once.

    A subject that two files know by the same name and with other weights is named after its file from the second
    file on: `wiki_only-mini@laptop`. Raises as `connect` does, for the first file that cannot be read.
    """
    for path in paths:
        with connect(path, read_only=True):
            pass
    connection = duckdb.connect()
    try:
        for i, path in enumerate(paths):
            connection.execute(f"ATTACH {_literal(path)} AS file{i} (READ_ONLY)")
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS {_union(connection, table, _labels(paths))}")
        for view in SCHEMA.read_text().split("CREATE VIEW")[1:]:
            connection.execute("CREATE VIEW" + view)
        yield connection
    finally:
        connection.close()


def _union(connection: duckdb.DuckDBPyConnection, table: str, labels: list[str]) -> str:
    """The SELECT over all files' tables of that name; a row counts for the first file that owns its key."""
    parts = []
    for i, label in enumerate(labels):
        where = ""
        if i and table in KEYS:
            owner = OWNERS[KEYS[table]]
            earlier = " UNION ALL ".join(f"SELECT {KEYS[table]} FROM file{j}.{owner}" for j in range(i))
            where = f" WHERE {KEYS[table]} NOT IN ({earlier})"
        elif i:
            columns = {"floors": "suite, scale, metric, floor", "baselines": "name, subject, suite"}[table]
            earlier = " UNION ALL ".join(f"SELECT {columns} FROM file{j}.{table}" for j in range(i))
            where = f" WHERE ({columns}) NOT IN ({earlier})"
        chosen = "*"
        if i and table in ("subjects", "measured", "gates"):
            told = [_literal(name) for name in _ambiguous(connection, i)]
            if told:
                suffix = _literal(f"@{label}")
                chosen = f"* REPLACE (CASE WHEN subject IN ({', '.join(told)}) THEN subject || {suffix} ELSE subject END AS subject)"
        parts.append(f"SELECT {chosen} FROM file{i}.{table}{where}")
    return " UNION ALL ".join(parts)


def _ambiguous(connection: duckdb.DuckDBPyConnection, place: int) -> list[str]:
    """Subjects of one file that an earlier one knows with other weights."""
    earlier = " UNION ALL ".join(f"SELECT subject, fingerprint FROM file{j}.subjects" for j in range(place))
    found = connection.execute(
        f"SELECT DISTINCT subject FROM file{place}.subjects s WHERE EXISTS (SELECT 1 FROM ({earlier}) e WHERE "
        f"e.subject = s.subject AND e.fingerprint <> s.fingerprint) ORDER BY subject"
    ).fetchall()
    return [row[0] for row in found]


def _labels(paths: Sequence[Path]) -> list[str]:
    """A short name of each file: its stem, with as many folders before it as tell it from the others."""
    whole = [path.resolve().with_suffix("").parts for path in paths]
    for parts in range(1, max(map(len, whole)) + 1):
        labels = ["/".join(one[-parts:]) for one in whole]
        if len(set(labels)) == len(set(whole)):
            return labels
    return ["/".join(one) for one in whole]


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
        connection.execute(f"ATTACH {_literal(path)} AS older (READ_ONLY)")
        columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name {} 'older' AND NOT internal"
        there = set(connection.execute(columns.format("=")).fetchall())
        both: dict[str, list[str]] = {}
        for table, column in connection.execute(columns.format("<>")).fetchall():
            if (table, column) in there and table in TABLES:
                both.setdefault(table, []).append(column)
        for table, names in both.items():
            chosen = ", ".join(names)
            connection.execute(f"INSERT INTO {table} ({chosen}) SELECT {chosen} FROM older.{table}")
        _measured_by_older_sessions(connection)
        connection.execute("COMMIT")
        connection.execute("DETACH older")
    shutil.copy2(path, path.with_name(f"{path.name}.v{older}"))
    fresh.replace(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(SCHEMA.read_text())
    connection.execute("INSERT INTO warehouse VALUES (?)", [VERSION])


def _literal(value: object) -> str:
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
                "INSERT INTO samples SELECT ?, file_row_number, sample_id, cluster, prompt, target, completion, scores "
                "FROM read_parquet(?, file_row_number = true)",
                [artifact.key, str(artifact.path / "samples.parquet")],
            )
        _insert(connection, "runs", [s["run"] for s in sessions])
        _insert(connection, "subjects", [row for s in sessions for row in s["subjects"]])
        _insert(connection, "gates", [row for s in sessions for row in s["gates"]])
        _insert(connection, "measured", [row for s in sessions for row in s.get("measured", [])])
        _measured_by_older_sessions(connection)
        connection.execute("DELETE FROM baselines")
        _insert(connection, "baselines", list(baselines.rows_of(store.root)))
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
    root: Path,
    run: Mapping[str, Any],
    subjects: list[dict[str, Any]],
    gates: list[dict[str, Any]],
    measured: list[dict[str, Any]],
) -> None:
    """Keep a session's own rows in the store, from which the warehouse takes them."""
    folder = root / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{run['run_id']}.tmp"
    temporary.write_text(json.dumps({"run": run, "subjects": subjects, "gates": gates, "measured": measured}))
    temporary.replace(folder / f"{run['run_id']}.json")


def read_sessions(root: Path) -> list[dict[str, Any]]:
    """All sessions kept in the store, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((root / "sessions").glob("*.json"))]


def _measured_by_older_sessions(connection: duckdb.DuckDBPyConnection) -> None:
    """What sessions measured that did not yet write it down: of each subject and suite the newest at that time."""
    connection.execute(
        """
        INSERT INTO measured
        SELECT s.run_id, s.subject, e.suite, e.evaluation
        FROM subjects s JOIN runs r USING (run_id) JOIN evaluations e USING (fingerprint)
        WHERE s.run_id NOT IN (SELECT run_id FROM measured)
          AND e.created_at <= r.started_at + to_seconds(coalesce(r.seconds, 0) + 1)
        QUALIFY row_number() OVER (
            PARTITION BY s.run_id, s.subject, e.suite
            ORDER BY coalesce(e.scale = r.scale, false) DESC, e.created_at DESC
        ) = 1
        """
    )


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
        "train_seconds", "peak_memory_bytes", "energy_joules", "why", "device",
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
    names = (
        "subject", "scale", "prompt_digest", "samples", "seconds", "tokens", "peak_memory_bytes", "energy_joules", "device",
    )  # fmt: skip
    return {
        "evaluation": artifact.key,
        "fingerprint": artifact.spec["checkpoint"],
        "suite": artifact.spec["suite"]["name"],
        "system_prompt": artifact.spec["suite"]["system_prompt"],
        "spec": json.dumps(artifact.spec),
        **{name: record.get(name) for name in names},
        "samples_available": record.get("samples_available", record["samples"]),
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
