"""Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): of settings that are compared, the worse half by
the loss on held-out rows goes no further.

All train to a quarter of their steps; the better half goes on to the middle, and the better half of those to the end.
So of 12 trainings of equal length half of all steps are trained. Several training seeds of a setting go on or stop
together, by their mean. Learning rates that fall over the whole training have not fallen much at a quarter of it, so a
setting that is best at the end may be stopped: how often is simulated by `benchmarks/statistics.py`.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Spared
from harness.evaluation.stored import SPARED
from harness.files import Json, read_json_lines, write_whole
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.events import Note
from harness.jobs.job import Job
from harness.jobs.train import TrainingJob
from harness.store import Store

RUNGS = (1, 2)  # after how many of the four looks at the held-out loss the better half is taken
FEWEST = 3  # settings of which some can be stopped
Trainings = Mapping[str, Sequence[PlannedStage]]  # of each setting that is compared, one for each seed


@dataclass
class Contest:
    """Settings that are compared with each other, and the losses of their trainings at each rung, by key."""

    settings: Mapping[str, Sequence[str]]  # keys of each setting's trainings
    losses: list[dict[str, float]] = field(default_factory=lambda: [{} for _ in RUNGS])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, rung: int, key: str, loss: float) -> None:
        """The loss of a training at a rung."""
        with self.lock:
            self.losses[rung][key] = loss

    def loss(self, rung: int, setting: str) -> float | None:
        """The mean loss of a setting's trainings at a rung; None where one has none."""
        losses = [self.losses[rung].get(key) for key in self.settings[setting]]
        known = [loss for loss in losses if loss is not None]
        return sum(known) / len(known) if known and len(known) == len(losses) else None

    def compared(self, rung: int) -> list[str]:
        """The settings that reached a rung, the best first."""
        with self.lock:
            losses = {one: loss for one in self.settings if (loss := self.loss(rung, one)) is not None}
        return sorted(losses, key=lambda one: (not math.isfinite(losses[one]), losses[one], one))

    def goes_on(self, rung: int, setting: str) -> bool:
        """Whether a setting is not among the worse half at a rung, half of an odd number rounded down.

        One without a loss there goes on: nothing is known against it.
        """
        best = self.compared(rung)
        return setting not in best[math.ceil(len(best) / 2) :]


@dataclass
class RungJob:
    """A training as far as a rung; nothing where its setting was left behind at the one before."""

    training: TrainingJob
    contest: Contest
    setting: str
    rung: int
    before: Sequence[Job]  # its own earlier rungs

    def __call__(self, job: Job, device: str) -> None:
        for earlier in self.before:
            if earlier.error is not None:
                raise earlier.error
        if self.rung and not self.contest.goes_on(self.rung - 1, self.setting):
            return
        key, store = self.training.planned.key, self.training.context.store
        log = _Log(store.root / "checkpoints" / f"{key}.partial" / "log.jsonl", RUNGS[self.rung])
        self.training.run_until(job, device, log.has_passed)
        stored = store.get("checkpoints", key)
        found = log.look() if stored is None else _look(_stored_log(stored.path), RUNGS[self.rung])
        if found is not None:
            self.contest.note(self.rung, key, found[1])


@dataclass
class LastJob:
    """The rest of a training, where its setting is among the best; raises Spared where it is not."""

    training: TrainingJob
    contest: Contest
    setting: str
    rungs: Sequence[Job]  # its own

    def __call__(self, job: Job, device: str) -> None:
        for rung in self.rungs:
            if rung.error is not None:
                raise rung.error
        key, name, store = self.training.planned.key, self.training.planned.name, self.training.context.store
        left = next((rung for rung in range(len(RUNGS)) if not self.contest.goes_on(rung, self.setting)), None)
        if left is None or store.get("checkpoints", key) is not None:
            return self.training(job, device)
        loss, others = self.contest.loss(left, self.setting), len(self.contest.compared(left))
        words = (
            f"loss on held-out rows {loss:.3f} after {RUNGS[left]} of 4 parts, not among the better half of {others}"
        )
        write_whole(store.root / "checkpoints" / f"{key}.partial" / SPARED, json.dumps({"words": words}))
        self.training.context.report(Note(f"{name} was stopped early: {words}"))
        raise Spared(f"{name} was stopped early: {words}.", "Without --adaptive it goes on from there.")


@dataclass
class _Log:
    """The log of a training that is under way, read again only when it has grown."""

    path: Path
    looks: int
    size: int = -1
    lines: list[Json] = field(default_factory=list)

    def read(self) -> list[Json]:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size != self.size:
            self.size, self.lines = size, list(read_json_lines(self.path, skip_broken=True)) if size else []
        return self.lines

    def look(self) -> tuple[int, float] | None:
        return _look(self.read(), self.looks)

    def has_passed(self) -> bool:
        """Whether the look is there, or its part of the steps is over without one."""
        lines = self.read()
        return self.look() is not None or bool(lines and lines[-1]["step"] >= _quarter(lines[-1]) * (self.looks + 1))


def _quarter(line: Json) -> int:
    return max(1, int(line["steps"]) // 4)


def _look(log: Iterable[Json], looks: int) -> tuple[int, float] | None:
    """Step and loss of the look at held-out rows in that quarter of the steps; None where there is none."""
    for line in log:
        if "eval_loss" in line and _quarter(line) * looks <= line["step"] < _quarter(line) * (looks + 1):
            return int(line["step"]), float(line["eval_loss"])
    return None


def _stored_log(folder: Path) -> list[Json]:
    """The log of a checkpoint, which says how many steps there are in its last line."""
    path = folder / "training_log.jsonl"
    lines = list(read_json_lines(path, skip_broken=True)) if path.exists() else []
    steps = max((line["step"] for line in lines), default=0)
    return [{"steps": steps, **line} for line in lines]


def halve(jobs: Mapping[str, Job], settings: Trainings, store: Store, free: set[str]) -> dict[str, Job]:
    """Rung jobs for the trainings of settings that are compared, put before theirs, which are changed; by key.

    Only settings all of whose trainings are `free` take part: nothing else needs those. What is stored already takes
    part by its log, and is kept whatever it scored.
    """
    keys = {one: [planned.key for planned in of] for one, of in settings.items() if all(p.key in free for p in of)}
    missing = {one: [key for key in of if key in jobs] for one, of in keys.items()}
    if len(keys) < FEWEST or not any(missing.values()):
        return {}
    contest = Contest(keys)
    for key in [key for of in keys.values() for key in of]:
        stored = store.get("checkpoints", key)
        log = _stored_log(stored.path) if stored is not None and key not in jobs else []
        for rung, looks in enumerate(RUNGS):
            if (found := _look(log, looks)) is not None:
                contest.note(rung, key, found[1])
    made: dict[str, Job] = {}
    own: dict[str, list[Job]] = {}
    earlier: list[Job] = []
    for rung in range(len(RUNGS)):
        now = []
        for setting, of in missing.items():
            for key in of:
                training = jobs[key].run
                assert isinstance(training, TrainingJob)
                one = Job(
                    f"{key} to rung {rung + 1}", jobs[key].name, "train", RungJob(training, contest, setting, rung, list(own.get(key, ()))),
                    needs=list(jobs[key].needs), after=list(earlier), progress=jobs[key].progress,
                )  # fmt: skip
                now.append(one)
                made[one.key] = one
                own.setdefault(key, []).append(one)
        earlier = now
    for setting, of in missing.items():
        for key in of:
            job, training = jobs[key], jobs[key].run
            assert isinstance(training, TrainingJob)
            training.looks = True
            job.run, job.after = LastJob(training, contest, setting, own[key]), [*job.after, *earlier]
    return made
