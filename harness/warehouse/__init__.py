"""The warehouse: DuckDB tables built from the store, in short transactions, by the controlling process alone.

Nothing here is the only copy. What cannot be ingested now, because the file is open elsewhere, the next session
ingests, and `harness results rebuild` makes the whole file again. For that, each session's own rows are kept in the
store's `sessions/` as a JSON file.
"""

from harness.warehouse.combined import combined
from harness.warehouse.file import SCHEMA, VERSION, Foreign, Locked, connect, query
from harness.warehouse.ingest import ingest, rebuild

__all__ = [
    "SCHEMA",
    "VERSION",
    "Foreign",
    "Locked",
    "combined",
    "connect",
    "ingest",
    "query",
    "rebuild",
]
