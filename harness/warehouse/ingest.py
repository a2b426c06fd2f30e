"""Store -> tables: whatever the warehouse lacks, in one transaction, in bulk through Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from harness.store import baselines
from harness.errors import StoreError, WarehouseError
from harness.store.artifacts import Artifact, Store
from harness.warehouse.file import Foreign, Locked, connect, measured_by_older_sessions
from harness.store.sessions import read_sessions


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
        measured_by_older_sessions(connection)
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
