"""What sessions used and judged, kept in the store as JSON: the warehouse takes it from there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from harness.errors import StoreError
from harness.files import Json, write_whole
from harness.store.artifacts import Store


@dataclass(frozen=True)
class SessionRows:
    """One session's rows of the warehouse's tables."""

    run: Json
    subjects: list[Json]
    gates: list[Json]
    measured: list[Json]
    sweeps: list[Json] = field(default_factory=list)  # a row for each setting
    curricula: list[Json] = field(default_factory=list)  # a row for each lesson taught last and lesson measured

    @property
    def run_id(self) -> str:
        """UTC start time and a random suffix."""
        return str(self.run["run_id"])


def write_session(store: Store, session: SessionRows) -> StoreError | None:
    """Keep a session's own rows in the store, from which the warehouse takes them.

    Returns why other machines do not see them, where they do not; the next session sends them again.
    """
    folder = store.shared("sessions")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{session.run_id}.json"
    write_whole(path, json.dumps(asdict(session)))
    try:
        store.share(path)
    except StoreError as error:
        return error
    return None


def read_sessions(store: Store) -> list[SessionRows]:
    """The project's sessions, oldest first; those that do not say whose they are count as everyone's."""
    return [session for session in _all(store) if not _is_others(store, session)]


def used_by_others(store: Store) -> set[str]:
    """Keys of the checkpoints and evaluations that sessions of other projects used."""
    if store.project is None:
        return set()
    return _used(session for session in _all(store) if _is_others(store, session))


def used_by_others_alone(store: Store) -> set[str]:
    """Those of them that no session of this project used."""
    used = used_by_others(store)
    return used - _used(read_sessions(store)) if used else used


def _used(sessions: Iterable[SessionRows]) -> set[str]:
    found: set[str] = set()
    for session in sessions:
        found |= {
            key for row in session.subjects for key in (row["fingerprint"], row.get("weights")) if key is not None
        }
        found |= {row["evaluation"] for row in session.measured}
    return found


def _all(store: Store) -> list[SessionRows]:
    found = [json.loads(path.read_text()) for path in sorted(store.shared("sessions").glob("*.json"))]
    return [SessionRows(**{"measured": [], **session}) for session in found]


def _is_others(store: Store, session: SessionRows) -> bool:
    return store.project is not None and session.run.get("project") not in (None, store.project)
