"""Blessed evaluations by name: what `--baseline NAME` compares with. One JSON file each in the store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import HarnessError, StoreError
from harness.files import Json, write_whole
from harness.store.artifacts import Store


@dataclass(frozen=True)
class Baseline:
    """Evaluations that later ones are compared with."""

    name: str
    set_at: str  # UTC, ISO 8601
    commit_id: str | None  # of the project, '+' appended when it had changes
    evaluations: dict[str, dict[str, str]]  # subject -> suite -> key of the evaluation

    @property
    def keys(self) -> set[str]:
        """Keys of all its evaluations."""
        return {key for suites in self.evaluations.values() for key in suites.values()}


def bless(store: Store, name: str, evaluations: dict[str, dict[str, str]], commit_id: str | None) -> Baseline:
    """Record evaluations, subject -> suite -> key, under a name; its earlier entries for other suites stay.

    Raises HarnessError for a name that cannot be a file name.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise HarnessError(f"baseline {name!r}: a name has letters, digits, dots, _ and - only.", "Try: main, v1.2")
    path = _own(store) / f"{name}.json"
    kept = read(store, name).evaluations if _file(store, name).exists() else {}
    blessed = {subject: {**kept.get(subject, {}), **suites} for subject, suites in evaluations.items()}
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    baseline = Baseline(name, now, commit_id, {**kept, **blessed})
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else None
    write_whole(path, json.dumps(asdict(baseline), indent=1))
    try:
        store.share(path)
    except StoreError:  # all machines have the same, or none
        path.unlink() if before is None else write_whole(path, before)
        raise
    return baseline


def read(store: Store, name: str) -> Baseline:
    """The baseline of that name; StoreError, which lists the known names, where there is none."""
    path = _file(store, name)
    try:
        return Baseline(**json.loads(path.read_text()))
    except FileNotFoundError:
        known = ", ".join(baseline.name for baseline in all_of(store)) or "none"
        raise StoreError(
            f"there is no baseline {name!r} in {store.where} (there: {known}).", f"Set it: harness baseline set {name}"
        ) from None
    except (ValueError, TypeError):
        raise StoreError(f"{path} is not a baseline.", f"Set it anew: harness baseline set {name}") from None


def all_of(store: Store) -> list[Baseline]:
    """The project's baselines, by name."""
    folders = {_own(store), store.shared("baselines")}
    names = {path.stem for folder in folders for path in folder.glob("*.json")}
    return [read(store, name) for name in sorted(names)]


def blessed_by_anyone(store: Store) -> set[str]:
    """Keys of all evaluations that a baseline of some project holds."""
    found: set[str] = set()
    for path in store.shared("baselines").rglob("*.json"):
        suites = json.loads(path.read_text())["evaluations"].values()
        found |= {key for keys in suites for key in keys.values()}
    return found


def rows_of(store: Store) -> Iterator[Json]:
    """Rows of the table `baselines`."""
    for baseline in all_of(store):
        for subject, suites in baseline.evaluations.items():
            for suite, key in suites.items():
                yield {
                    "name": baseline.name,
                    "subject": subject,
                    "suite": suite,
                    "evaluation": key,
                    "commit_id": baseline.commit_id,
                    "set_at": baseline.set_at,
                }


def _own(store: Store) -> Path:
    """The folder of the project's own; without a project, of everyone's."""
    shared = store.shared("baselines")
    return shared / store.project if store.project is not None else shared


def _file(store: Store, name: str) -> Path:
    """The project's own of that name, or one that does not say whose it is."""
    own = _own(store) / f"{name}.json"
    return own if own.exists() else store.shared("baselines") / f"{name}.json"
