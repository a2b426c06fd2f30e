"""Blessed evaluations by name: what `--baseline NAME` compares with. One JSON file each in the store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.environment import commit_of
from harness.errors import EvaluationMissing, HarnessError, StoreError

if TYPE_CHECKING:
    from harness.bench import Bench
    from harness.recipe import Subject


@dataclass(frozen=True)
class Baseline:
    """Evaluations that later ones must not fall behind."""

    name: str
    set_at: str  # UTC, ISO 8601
    commit_id: str | None  # of the project, '+' appended when it had changes
    evaluations: dict[str, dict[str, str]]  # subject -> suite -> key of the evaluation

    @property
    def keys(self) -> set[str]:
        """Keys of all its evaluations."""
        return {key for suites in self.evaluations.values() for key in suites.values()}


def bless(bench: Bench, name: str, subjects: list[Subject]) -> Baseline:
    """Write the stored evaluations of the subjects down as a baseline; what it held before and is not measured now
    stays.

    Raises HarnessError for a name that is no file's, EvaluationMissing where nothing is measured.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise HarnessError(f"baseline {name!r}: a name has letters, digits, dots, _ and - only.", "Try: main, v1.2")
    path = _folder(bench.store.root) / f"{name}.json"
    kept = read(bench.store.root, name).evaluations if path.exists() else {}
    found = {}
    for subject in subjects:
        keys = {suite.name: bench.evaluation_key(suite, subject) for suite in bench.suites.values()
                if suite.concerns(subject)}  # fmt: skip
        there = {suite: key for suite, key in keys.items() if bench.store.get("evaluations", key) is not None}
        if there:
            found[subject.id] = {**kept.get(subject.id, {}), **there}
    if not found:
        raise EvaluationMissing(
            f"baseline {name}: none of {', '.join(s.id for s in subjects)} is measured.",
            f"Run: pytest suites/ --scale {bench.options.scale}",
        )
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    baseline = Baseline(name, now, commit_of(bench.root), {**kept, **found})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(baseline), indent=1))
    temporary.replace(path)
    return baseline


def read(store: Path, name: str) -> Baseline:
    """The baseline of that name; StoreError, with those there are, where there is none."""
    path = _folder(store) / f"{name}.json"
    try:
        return Baseline(**json.loads(path.read_text()))
    except FileNotFoundError:
        known = ", ".join(baseline.name for baseline in all_of(store)) or "none"
        raise StoreError(
            f"there is no baseline {name!r} in {store} (there: {known}).", f"Set it: harness baseline set {name}"
        ) from None
    except (ValueError, TypeError):
        raise StoreError(f"{path} is not a baseline.", f"Set it anew: harness baseline set {name}") from None


def all_of(store: Path) -> list[Baseline]:
    """Every baseline of the store, by name."""
    return [read(store, path.stem) for path in sorted(_folder(store).glob("*.json"))]


def rows_of(store: Path) -> Iterator[dict[str, Any]]:
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


def _folder(store: Path) -> Path:
    return store / "baselines"
