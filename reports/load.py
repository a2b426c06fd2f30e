"""Warehouse -> Content: runs the queries beside this file, parses JSON, and never writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import WarehouseError
from reports.content import (
    Checkpoint,
    Content,
    Evaluation,
    Floor,
    Gate,
    LogPoint,
    Metric,
    Run,
    Sample,
    Subject,
    Text,
    Touched,
)

if TYPE_CHECKING:
    import duckdb

HERE = Path(__file__).parent
LONGEST_TEXT = 2_000  # characters of one prompt, target or answer
SAMPLES_PER_SUITE = 1_000  # ids, each answered by every subject


def load(connection: duckdb.DuckDBPyConnection, run_id: str | None = None) -> Content:
    """All that a report on one run shows; the latest run unless another is named.

    connection is an open DuckDB connection; nothing is written through it.
    Raises WarehouseError where there is no such run.
    """
    run = _run(connection, run_id)
    checkpoints = _checkpoints(connection, run)
    return Content(
        run=run,
        subjects=tuple(_subjects(connection, run, checkpoints)),
        evaluations=tuple(_evaluations(connection, run)),
        floors=tuple(Floor(**row) for row in _rows(connection, "floors", scale=run.scale)),
        gates=tuple(Gate(**row) for row in _rows(connection, "gates", run_id=run.run_id)),
        touched=tuple(Touched(**row) for row in _rows(connection, "touched", run_id=run.run_id)),
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[dict]:
    cursor = connection.execute((HERE / f"{query}.sql").read_text(encoding="utf-8"), parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _parsed(text: str | None, empty: dict | list) -> Any:
    return empty if text is None else json.loads(text)


def _run(connection: duckdb.DuckDBPyConnection, run_id: str | None) -> Run:
    rows = _rows(connection, "run", run_id=run_id)
    if not rows and run_id is None:
        raise WarehouseError("the results hold no run, so there is nothing to report", "Run pytest suites/ first.")
    if not rows:
        known = [
            row[0] for row in connection.execute("SELECT run_id FROM runs ORDER BY run_id DESC LIMIT 3").fetchall()
        ]
        raise WarehouseError(f"the results hold no run {run_id}", f"The newest: {', '.join(known) or 'none'}.")
    row = rows[0]
    row["environment"] = _parsed(row["environment"], {})
    return Run(**row)


def _checkpoints(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, Checkpoint]:
    rows = _rows(connection, "checkpoints", run_id=run.run_id)
    logs: dict[str, list[LogPoint]] = {}
    for row in _rows(connection, "training_log", fingerprints=[row["fingerprint"] for row in rows]):
        logs.setdefault(row.pop("fingerprint"), []).append(LogPoint(**row))
    for row in rows:
        row["spec"] = _parsed(row["spec"], {})
        row["environment"] = _parsed(row["environment"], {})
        row["rows_by_source"] = _parsed(row["rows_by_source"], {})
        row["log"] = tuple(logs.get(row["fingerprint"], ()))
    return {row["fingerprint"]: Checkpoint(**row) for row in rows}


def _subjects(connection: duckdb.DuckDBPyConnection, run: Run, checkpoints: dict[str, Checkpoint]) -> Iterator[Subject]:
    for row in _rows(connection, "subjects", run_id=run.run_id):
        row["name"] = row.pop("subject")
        row["settings"] = _parsed(row["settings"], [])
        yield Subject(**row, lineage=_lineage(row["fingerprint"], checkpoints))


def _lineage(fingerprint: str | None, checkpoints: dict[str, Checkpoint]) -> tuple[Checkpoint, ...]:
    chain: list[Checkpoint] = []
    while fingerprint in checkpoints and checkpoints[fingerprint] not in chain:
        chain.append(checkpoints[fingerprint])
        fingerprint = chain[-1].parent
    return tuple(reversed(chain))


def _evaluations(connection: duckdb.DuckDBPyConnection, run: Run) -> Iterator[Evaluation]:
    rows = _rows(connection, "evaluations", run_id=run.run_id)
    keys = sorted({row["evaluation"] for row in rows})
    metrics: dict[str, dict[str, Metric]] = {}
    for row in _rows(connection, "metrics", evaluations=keys):
        key, name = row.pop("evaluation"), row.pop("metric")
        metrics.setdefault(key, {})[name] = Metric(name=name, **row)
    samples: dict[str, list[Sample]] = {}
    limits = {"characters": LONGEST_TEXT, "samples_per_suite": SAMPLES_PER_SUITE}
    for row in _rows(connection, "samples", evaluations=keys, **limits):
        samples.setdefault(row["evaluation"], []).append(_sample(row))
    for row in rows:
        key = row["evaluation"]
        yield Evaluation(
            **{name: row[name] for name in ("evaluation", "subject", "suite", "scale", "system_prompt")},
            sample_count=row["samples"],
            metrics=metrics.get(key, {}),
            samples=tuple(samples.get(key, ())),
        )


def _sample(row: dict) -> Sample:
    def text(name: str) -> Text | None:
        return None if row[name] is None else Text(row[name], row[f"{name}_characters"])

    return Sample(
        sample_id=row["sample_id"],
        draw=row["draw"],
        prompt=text("prompt"),
        target=text("target"),
        completion=text("completion"),
        scores={name: score for name, score in _parsed(row["scores"], {}).items() if _is_number(score)},
    )


def _is_number(score: Any) -> bool:
    return score is None or isinstance(score, int | float)
