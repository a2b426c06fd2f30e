"""The energy of a training that may be stopped and continued, kept in a file between its runs."""

from __future__ import annotations

import json
from pathlib import Path


class EnergyNote:
    """Joules of the earlier runs of one training; None if those of any run are unknown.

    While a run is under way, the file says "unknown": a run that is killed leaves it so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.earlier: float | None = json.loads(path.read_text()) if path.exists() else 0.0
        path.write_text("null")

    def add(self, joules: float | None) -> float | None:
        """The joules of all runs so far, with those of the one that ends now."""
        total = None if joules is None or self.earlier is None else self.earlier + joules
        self.path.write_text(json.dumps(total))
        return total
