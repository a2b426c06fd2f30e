"""Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): of trainings that are compared, the worse half by
the loss on held-out rows goes no further.

All train to a quarter of their steps; the better half goes on to the middle, and the better half of those to the end.
So of 12 trainings of equal length half of all steps are trained. Learning rates that fall over the whole training
have not fallen much at a quarter of it, so a setting that is best at the end may be stopped: how often is simulated
by `benchmarks/statistics.py`.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Spared, WorkerFailed
from harness.evaluation.stored import SPARED
from harness.files import Json, read_json_lines, write_whole
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.events import Note
from harness.jobs.job import Job
from harness.jobs.train import TrainingJob
from harness.store import Store

RUNGS = (1, 2)  # after how many of the four looks at the held-out loss the better half is taken
FEWEST = 3  # trainings of which some can be stopped


@dataclass
class Contest:
    """Trainings that are compared with each other, by key, and their losses at each rung."""

    names: Mapping[str, str]  # of each training, for people
    losses: list[dict[str, float]] = field(default_factory=lambda: [{} for _ in RUNGS])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, rung: int, key: str, loss: float) -> None:
        """The loss of a training at a rung."""
        with self.lock:
            self.losses[rung][key] = loss

    def goes_on(self, rung: int, key: str) -> bool:
        """Whether the training is among the better half at a rung, half of an odd number rounded up."""
        with self.lock:
            losses = self.losses[rung]
            best = sorted(losses, key=lambda one: (not math.isfinite(losses[one]), losses[one], one))
            return key in best[: math.ceil(len(best) / 2)]


@dataclass
class RungJob:
    """A training as far as a rung; nothing where it was left behind at the one before."""

    training: TrainingJob
    contest: Contest
    rung: int

    def __call__(self, job: Job, device: str) -> None:
        key = self.training.planned.key
        if self.rung and not self.contest.goes_on(self.rung - 1, key):
            return
        folder = self.training.context.store.root / "checkpoints" / f"{key}.partial"
        if loss_at(_log(folder), RUNGS[self.rung]) is None:
            self.training.run_until(job, device, lambda: loss_at(_log(folder), RUNGS[self.rung]) is not None)
        stored = self.training.context.store.get("checkpoints", key)
        loss = loss_at(_log(folder) if stored is None else _stored_log(stored.path), RUNGS[self.rung])
        if loss is None:
            raise WorkerFailed(f"{self.training.planned.name}: its log has no loss on held-out rows to compare.")
        self.contest.note(self.rung, key, loss[1])


@dataclass
class LastJob:
    """The rest of a training, where it is among the best; raises Spared where it is not."""

    training: TrainingJob
    contest: Contest

    def __call__(self, job: Job, device: str) -> None:
        key, name, store = self.training.planned.key, self.training.planned.name, self.training.context.store
        if store.get("checkpoints", key) is not None:
            return  # so short that it ended before the rung, or made by another session meanwhile
        left = next((rung for rung in range(len(RUNGS)) if not self.contest.goes_on(rung, key)), None)
        folder = store.root / "checkpoints" / f"{key}.partial"
        if left is None:
            (folder / SPARED).unlink(missing_ok=True)
            return self.training(job, device)
        found = loss_at(_log(folder), RUNGS[left])
        step, loss = found or (0, self.contest.losses[left].get(key, math.nan))
        others = len(self.contest.losses[left])
        words = f"loss on held-out rows {loss:.3f} after step {step}, not among the better half of {others}"
        write_whole(folder / SPARED, json.dumps({"step": step, "loss": loss, "words": words}))
        self.training.context.report(Note(f"{name} was stopped early: {words}"))
        raise Spared(f"{name} was stopped early: {words}.", "Without --adaptive it goes on from there.")


def loss_at(log: Iterable[Json], looks: int) -> tuple[int, float] | None:
    """Step and loss of the first look at held-out rows at that quarter of the steps; None where it is still to come."""
    for line in log:
        if "eval_loss" in line and line["step"] >= max(1, line["steps"] // 4) * looks:
            return int(line["step"]), float(line["eval_loss"])
    return None


def halve(training_jobs: Mapping[str, Job], group: Iterable[PlannedStage], store: Store) -> dict[str, Job]:
    """Rung jobs for trainings that are compared, put before theirs, which are changed; by key.

    What is stored already takes part by its log, and is kept whatever it scored.
    """
    stages = {planned.key: planned for planned in group}
    contest = Contest({key: planned.name for key, planned in stages.items()})
    missing = {key: training_jobs[key] for key in stages if key in training_jobs}
    for key in stages.keys() - missing.keys():
        stored = store.get("checkpoints", key)
        log = [] if stored is None else _stored_log(stored.path)
        for rung, looks in enumerate(RUNGS):
            if (found := loss_at(log, looks)) is not None:
                contest.note(rung, key, found[1])
    if not missing or len(stages) < FEWEST:
        return {}
    made: dict[str, Job] = {}
    earlier: list[Job] = []
    for rung in range(len(RUNGS)):
        now = []
        for key, job in missing.items():
            assert isinstance(job.run, TrainingJob)
            run = RungJob(job.run, contest, rung)
            one = Job(
                f"{key} to rung {rung + 1}", job.name, "train", run,
                needs=list(job.needs), after=list(earlier), progress=job.progress,
            )  # fmt: skip
            now.append(one)
            made[one.key] = one
        earlier = now
    for job in missing.values():
        assert isinstance(job.run, TrainingJob)
        job.run.looks = True
        job.run, job.after = LastJob(job.run, contest), [*job.after, *earlier]
    return made


def _log(folder: Path) -> list[Json]:
    path = folder / "log.jsonl"
    return list(read_json_lines(path, skip_broken=True)) if path.exists() else []


def _stored_log(folder: Path) -> list[Json]:
    """The same of a checkpoint, which says how many steps there are in its last line."""
    path = folder / "training_log.jsonl"
    lines = list(read_json_lines(path, skip_broken=True)) if path.exists() else []
    steps = max((line["step"] for line in lines), default=0)
    return [{"steps": steps, **line} for line in lines]
