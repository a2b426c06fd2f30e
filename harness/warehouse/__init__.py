"""The warehouse: DuckDB tables built from the store, in short transactions, by the controlling process alone.

Nothing here is the only copy: what cannot be ingested now, because the file is open elsewhere, is ingested by
the next session, and `harness results rebuild` makes the file anew. Sessions themselves are kept in the
store's `sessions/` as JSON, one file each, for that reason.
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
