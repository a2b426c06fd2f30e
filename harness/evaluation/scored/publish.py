"""Answers -> an evaluation: scored, and stored with all samples as Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.evaluation.asking.answers import Answered
from harness.evaluation.evaluation import SAMPLES, Evaluation, ScoredSample
from harness.evaluation.scored.scores import scored, summary
from harness.files import Json
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.store import Store

COLUMNS = {
    **dict.fromkeys(
        (
            "sample_id", "cluster", "prompt", "target", "completion", "scores", "target_json", "rendered_prompt",
            "finish_reason", "passages",
        ),
        "VARCHAR",
    ),
    "prompt_tokens": "BIGINT",
    "completion_tokens": "BIGINT",
    "found": "BOOLEAN",
}  # fmt: skip


def publish(store: Store, planned: PlannedEvaluation, answered: Answered) -> Evaluation:
    """Score the answers and store them with the metrics' intervals.

    Raises SuiteError with the name of a sample whose score is not finite, or whose id occurs twice.
    """
    rows = scored(planned.suite, answered.samples, answered.answers)
    record = _record(planned, answered, rows)
    folder = store.work("evaluations", planned.key) / "made"
    folder.mkdir(exist_ok=True)
    _write_samples(rows, folder / SAMPLES)
    return Evaluation.stored(store.publish("evaluations", planned.key, folder, planned.spec, record))


def _write_samples(rows: Sequence[ScoredSample], path: Path) -> None:
    """One row per sample, as Parquet; written by DuckDB, because PyArrow would load pandas first."""
    import duckdb

    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    columns["scores"] = [json.dumps(row.scores) for row in rows]
    chosen = ", ".join(f"unnest(CAST(${name} AS {kind}[])) AS {name}" for name, kind in COLUMNS.items())
    with duckdb.connect() as connection:
        connection.sql(f"SELECT {chosen}", params=columns).write_parquet(str(path), compression="zstd")


def unpublished(planned: PlannedEvaluation, answered: Answered) -> Evaluation:
    """The answers so far as an evaluation that is not stored: what --adaptive looks at."""
    rows = scored(planned.suite, answered.samples, answered.answers)
    return Evaluation("", planned.spec, _record(planned, answered, rows), load=lambda: rows)


def _record(planned: PlannedEvaluation, answered: Answered, rows: Sequence[ScoredSample]) -> Json:
    """The evaluation's record: how the answers were made, for which subject, and what they score."""
    subject = {"subject": planned.subject.id, "scale": planned.subject.scale}
    record = {**asdict(answered.record), **subject, **summary(planned.suite, rows, answered.everything)}
    if answered.record.documents is not None:
        record["samples_available"] = answered.record.documents
    return record
