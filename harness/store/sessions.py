"""What sessions used and judged, kept in the store as JSON: the warehouse takes it from there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.files import Json, write_whole


@dataclass(frozen=True)
class SessionRows:
    """One session's rows of the warehouse's tables."""

    run: Json
    subjects: list[Json]
    gates: list[Json]
    measured: list[Json]

    @property
    def run_id(self) -> str:
        """UTC start time and a random suffix."""
        return str(self.run["run_id"])


def write_session(root: Path, session: SessionRows) -> None:
    """Keep a session's own rows in the store, from which the warehouse takes them."""
    folder = root / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{session.run_id}.json", json.dumps(asdict(session)))


def read_sessions(root: Path) -> list[SessionRows]:
    """All sessions kept in the store, oldest first."""
    found = [json.loads(path.read_text()) for path in sorted((root / "sessions").glob("*.json"))]
    return [SessionRows(**{"measured": [], **session}) for session in found]
