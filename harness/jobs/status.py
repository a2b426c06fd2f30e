"""What runs, waits or was interrupted on a store, in any session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.files import last_json_line, short
from harness.store import Store
from harness.worker.messages import TASK, TrainingTask, receive


@dataclass(frozen=True)
class JobStatus:
    """One job, and how far its training is."""

    state: Literal["running", "interrupted"]
    job: str
    process: int | None
    step: int | None
    steps: int | None


def status(store: Store) -> list[JobStatus]:
    """Jobs whose lock a session holds, then trainings that were interrupted and wait to be resumed."""
    found = [JobStatus("running", holder.job, holder.process, *_steps(store, holder.key)) for holder in store.held()]
    for key, task in interrupted(store).items():
        name = task.name if task else f"{short(key)}, begun by another version; harness store prune removes it"
        found.append(JobStatus("interrupted", name, None, *_steps(store, key)))
    return found


def interrupted(store: Store) -> dict[str, TrainingTask | None]:
    """Trainings that were begun and that no session continues now: fingerprint -> task.

    The task is None where another version of the harness wrote it: no session can continue that training.
    """
    running = {holder.key for holder in store.held()}
    found: dict[str, TrainingTask | None] = {}
    for key in store.begun("checkpoints"):
        path = store.work("checkpoints", key) / TASK
        if key not in running and path.exists():
            found[key] = _task(path)
    return found


def _task(path: Path) -> TrainingTask | None:
    try:
        task = receive(path)
    except (ValueError, TypeError, KeyError):
        return None
    return task if isinstance(task, TrainingTask) else None


def _steps(store: Store, key: str) -> tuple[int | None, int | None]:
    line = last_json_line(store.root / "checkpoints" / f"{key}.partial" / "log.jsonl") or {}
    return line.get("step"), line.get("steps")
