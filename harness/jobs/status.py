"""What runs, waits or was interrupted on a store, in any session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.files import last_json_line
from harness.store import Store
from harness.worker.messages import TASK, receive


@dataclass(frozen=True)
class JobStatus:
    """One job, and how far its training is."""

    state: Literal["running", "interrupted"]
    job: str
    process: int | None
    step: int | None
    steps: int | None


def status(store: Store) -> list[JobStatus]:
    """The jobs that sessions hold locks for, then the trainings that were begun and that nobody goes on with."""
    held = store.held()
    found = [JobStatus("running", holder.job, holder.process, *_steps(store, holder.key)) for holder in held]
    running = {holder.key for holder in held}
    for folder in sorted((store.root / "checkpoints").glob("*.partial")):
        key = folder.name.removesuffix(".partial")
        if key not in running and (folder / TASK).exists():
            found.append(JobStatus("interrupted", receive(folder / TASK).name, None, *_steps(store, key)))
    return found


def _steps(store: Store, key: str) -> tuple[int | None, int | None]:
    line = last_json_line(store.root / "checkpoints" / f"{key}.partial" / "log.jsonl") or {}
    return line.get("step"), line.get("steps")
