"""Several results files read as one: of several machines, or of several projects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from harness.warehouse.file import SCHEMA, TABLES, connect, literal

KEYS = {  # table -> the column by which its rows belong to one run, checkpoint or evaluation
    "runs": "run_id", "subjects": "run_id", "measured": "run_id", "gates": "run_id",
    "sweeps": "run_id", "curricula": "run_id",
    "checkpoints": "fingerprint", "training_log": "fingerprint",
    "evaluations": "evaluation", "samples": "evaluation", "metrics": "evaluation",
}  # fmt: skip
OWNERS = {"run_id": "runs", "fingerprint": "checkpoints", "evaluation": "evaluations"}


@contextmanager
def combined(paths: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory connection that reads several results files as one; what two of them hold is taken once.

    A subject that two files know by the same name and with other weights is named after its file from the second
    file on: `wiki_only-mini@laptop`. Raises as `connect` does, for the first file that cannot be read.
    """
    for path in paths:
        with connect(path, read_only=True):
            pass
    connection = duckdb.connect()
    try:
        for i, path in enumerate(paths):
            connection.execute(f"ATTACH {literal(path)} AS file{i} (READ_ONLY)")
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
            columns = {
                "floors": "suite, scale, metric, floor",
                "baselines": "name, subject, suite",
                "ratings": "comparison, rater, sample_id, showing",
            }[table]
            earlier = " UNION ALL ".join(f"SELECT {columns} FROM file{j}.{table}" for j in range(i))
            where = f" WHERE ({columns}) NOT IN ({earlier})"
        chosen = "*"
        if i and table in ("subjects", "measured", "gates", "sweeps", "curricula"):
            ambiguous = [literal(name) for name in _ambiguous(connection, i)]
            if ambiguous:
                suffix = literal(f"@{label}")
                chosen = f"* REPLACE (CASE WHEN subject IN ({', '.join(ambiguous)}) THEN subject || {suffix} ELSE subject END AS subject)"
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
    """A short name for each file: its stem, with as many folders before it as make the names differ."""
    whole = [path.resolve().with_suffix("").parts for path in paths]
    for parts in range(1, max(map(len, whole)) + 1):
        labels = ["/".join(one[-parts:]) for one in whole]
        if len(set(labels)) == len(set(whole)):
            return labels
    return ["/".join(one) for one in whole]
