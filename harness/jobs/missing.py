"""What a session wants and the store lacks -> jobs: parents before children, rows read and checked before any runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Literal

from harness.data.overlap.ngrams import check_contained
from harness.data.reading.hub import check_access
from harness.errors import HarnessError
from harness.evaluation.asking.passages import Passages, read_passages
from harness.evaluation.stored import SPARED
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.evaluations import PlannedEvaluation, weights_behind
from harness.jobs.context import JobContext, note_left_out
from harness.jobs.halving import halve
from harness.jobs.job import Job, in_order, waits_for
from harness.jobs.measure import MeasuringJob
from harness.jobs.train import TrainingJob, TrainingRows, read_rows
from harness.recipe import Subject
from harness.store import Store
from harness.suite import Suite
from harness.worker.messages import GOT

NEEDED = ("torch", "transformers", "trl", "peft", "datasets", "lm_eval", "gguf")  # by the workers


@dataclass(frozen=True)
class Wanted:
    """What the tests of a session ask for, and what their gates and floors compare it with."""

    subjects: Sequence[Subject] = ()
    evaluations: Sequence[PlannedEvaluation] = ()
    references: Sequence[PlannedEvaluation] = ()  # measured if missing, never again
    # Groups of settings that are compared, each under its seeds, of which the worse half may be stopped early.
    compared: Sequence[Mapping[str, Sequence[Subject]]] = ()
    retrain: bool = False
    reevaluate: bool = False


@dataclass
class Jobs:
    """The jobs of a session by what they make, and the keys of what has to be discarded before they start."""

    jobs: dict[str, Job] = field(default_factory=dict)
    discarded: set[str] = field(default_factory=set)

    def of_checkpoint(self, fingerprint: str) -> Job | None:
        """The job that makes a checkpoint."""
        return self.jobs.get(fingerprint)

    def of_evaluations(self, fingerprint: str) -> Job | None:
        """The job that measures a checkpoint."""
        return self.jobs.get(f"measure {fingerprint}")

    def discard(self, store: Store) -> None:
        """Remove what is made anew, and what servers have answered of it so far."""
        store.discard(self.discarded)
        for key in self.discarded:
            if (store.root / "checkpoints" / f"{key}.partial" / SPARED).exists():
                store.abandon("checkpoints", key)  # what was stopped early begins anew as well
            for kept in (store.root / "measuring").glob(f"*/{key}{GOT}"):
                kept.unlink()

    @property
    def in_order(self) -> list[Job]:
        """All jobs, parents before children."""
        return in_order(self.jobs.values())


def missing_jobs(wanted: Wanted, context: JobContext, suites: Sequence[Suite]) -> Jobs:
    """Jobs for all that is wanted and missing; `suites` are all of the project.

    Raises the error of the first data that cannot be used.
    """
    return _Graph(wanted, context, suites).made()


def check_installed(jobs: Iterable[Job], here: bool = True) -> None:
    """HarnessError where what the jobs need is not installed; models are trained and asked `here` or elsewhere."""
    jobs = list(jobs)
    if find_spec("openai") is None and any(job.asks == "server" for job in jobs):
        raise HarnessError(
            "to measure a server's model, openai must be installed.",
            "Install the harness with its extra `endpoint`: pip install 'PATH[endpoint]', PATH being its folder or wheel.",
        )
    embedding = [job for job in jobs if job.embeds and (here or job.asks == "server")]
    if find_spec("sentence_transformers") is None and embedding:
        raise HarnessError(
            "to find passages by embeddings, sentence-transformers must be installed.",
            "Install the harness with its extra `embeddings`: pip install 'PATH[embeddings]', PATH being its folder or wheel.",
        )
    if not here or not any(job.asks == "model" for job in jobs):
        return
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise HarnessError(
            f"to train and measure, {', '.join(missing)} must be installed.",
            "Install the harness with its extra `train`: pip install 'PATH[train]', PATH being its folder or wheel. To judge what is stored, pass --no-train.",
        )


class _Graph:
    """The graph of jobs while it is built."""

    def __init__(self, wanted: Wanted, context: JobContext, suites: Sequence[Suite]) -> None:
        self.wanted, self.context, self.suites = wanted, context, suites
        self.keys, self.store = context.results.keys, context.store
        self.found = Jobs(discarded=self._again())
        self.rows: dict[str, TrainingRows] = {}  # by fingerprint

    def made(self) -> Jobs:
        evaluations = [*self.wanted.evaluations, *self.wanted.references]
        subjects = {s.id: s for s in [*self.wanted.subjects, *(planned.subject for planned in evaluations)]}
        for subject in subjects.values():
            for planned in self.keys.chain(subject):
                self._training_job(planned)
        self._check_overlap(evaluations)
        self._halve(subjects.values())
        missing: dict[str, dict[str, PlannedEvaluation]] = {}
        for one in evaluations:
            if one.key in self.found.discarded or self.store.get("evaluations", one.key) is None:
                missing.setdefault(one.checkpoint.key, {}).setdefault(one.key, one)
        for of_checkpoint in missing.values():
            self._measuring_job(list(of_checkpoint.values()))
        for of_checkpoint in missing.values():
            self._after_references(list(of_checkpoint.values()))
        self._check_access(subjects.values())
        return self.found

    def _halve(self, subjects: Iterable[Subject]) -> None:
        """Let the trainings of settings that are compared stop early, but for those that another subject needs too."""
        users = Counter(planned.key for subject in subjects for planned in self.keys.chain(subject))
        free = {key for key, count in users.items() if count == 1}
        for settings in self.wanted.compared:
            trainings = {name: [self.keys.last(one) for one in of] for name, of in settings.items()}
            self.found.jobs |= halve(self.found.jobs, trainings, self.store, free)

    def _check_access(self, subjects: Iterable[Subject]) -> None:
        """Raise the error of a hub model that a job needs and this user may not have, before any job has run."""
        asked: set[str] = set()
        for subject in subjects:
            chain = self.keys.chain(subject)
            jobs = [job for p in chain for key in (p.key, f"measure {p.key}") if (job := self.found.jobs.get(key))]
            loads_weights = any(job.asks == "model" for job in jobs)
            embedders = [planned.spec["embeddings"] for planned in chain if "embeddings" in planned.spec]
            for base in [
                *(planned.spec["base"] for planned in chain if loads_weights),
                *(embedders if any(job.embeds for job in jobs) else ()),
            ]:
                if "model" in base and base["model"] not in asked:
                    asked.add(base["model"])
                    check_access(base["model"], base["revision"])

    def _again(self) -> set[str]:
        """For --retrain and --reevaluate: keys of what is to be made again, and of all in the store that depends on it."""
        again: set[str] = set()
        if self.wanted.retrain:
            chains = [(s, planned) for s in self.wanted.subjects for planned in self.keys.chain(s)]
            again = {planned.key for s, planned in chains if planned.subject.id == s.id and planned.trains}
            stored = list(self.store.all("checkpoints"))
            for _ in stored:  # as deep as any chain
                again |= {a.key for a in stored if a.spec["base"].get("checkpoint") in again}
            for kind in ("answers", "evaluations"):
                again |= {a.key for a in self.store.all(kind) if weights_behind(a.spec) in again}  # type: ignore[arg-type]
        if self.wanted.reevaluate:
            again |= {key for one in self.wanted.evaluations for key in (one.key, one.answers_key)}
        return again

    def _training_job(self, planned: PlannedStage) -> None:
        again = planned.key in self.found.discarded
        if planned.key in self.found.jobs or not planned.is_made:
            return
        if not again and self.store.get("checkpoints", planned.key) is not None:
            return
        self.rows[planned.key] = read_rows(planned, self.context)
        run = TrainingJob(self.context, planned, self.rows[planned.key], again)
        parent = self.found.jobs.get(planned.parent.key) if planned.parent else None
        self.found.jobs[planned.key] = Job(
            planned.key, planned.name, "train", run, needs=[parent] if parent else [], progress=run.progress
        )

    def _measuring_job(self, evaluations: list[PlannedEvaluation]) -> None:
        for one in evaluations:
            self.context.rows.rows(one.suite)  # what is wrong with the rows is raised now, not after training
        first = evaluations[0]
        passages = self._passages(first.checkpoint, evaluations)
        run = MeasuringJob(self.context, first.subject, first.checkpoint, evaluations, self.suites, passages)
        parent = self.found.of_checkpoint(first.checkpoint.weights.key)
        key = f"measure {first.checkpoint.key}"
        asks = self._asked(evaluations)
        self.found.jobs[key] = Job(
            key, run.name, "measure", run, needs=[parent] if parent else [], progress=run.progress, asks=asks,
            embeds=asks != "nothing" and passages is not None and passages.by_embeddings, helped=run.help,
        )  # fmt: skip

    def _passages(self, planned: PlannedStage, evaluations: list[PlannedEvaluation]) -> Passages | None:
        """The passages of a subject that looks things up; none may hold a whole item that it is to be measured on."""
        if planned.lookup is None:
            return None
        access = replace(self.keys.access, scale=planned.subject.scale)
        loaded = read_passages(planned.lookup, access, planned.name)
        note_left_out(self.store.root, self.context.report, planned.name, loaded)
        passages = Passages(planned.lookup, loaded.rows, planned.name)
        asked = {one.suite.name: self.context.rows.samples(one.suite) for one in evaluations}
        for suite, samples in asked.items():
            passages.check(suite, samples)
        both = {
            f"{suite}: {s.id}": f"{s.text} {s.answer}" for suite, samples in asked.items() for s in samples if s.answer
        }
        check_contained(loaded.rows, both, planned.name)  # a reference answer alone may well stand in a passage
        return passages

    def _asked(self, evaluations: list[PlannedEvaluation]) -> Literal["model", "server", "nothing"]:
        if all(self._answered(one) for one in evaluations):
            return "nothing"
        return "server" if evaluations[0].checkpoint.is_served else "model"

    def _answered(self, one: PlannedEvaluation) -> bool:
        """Whether the store holds the answers, and keeps them."""
        made_anew = one.answers_key in self.found.discarded or one.checkpoint.weights.key in self.found.jobs
        return one.suite.needs_model and not made_anew and self.store.holds("answers", one.answers_key)

    def _after_references(self, evaluations: list[PlannedEvaluation]) -> None:
        """Let what --adaptive may stop early wait for what its claims compare it with."""
        job = self.found.of_evaluations(evaluations[0].checkpoint.key)
        assert job is not None
        by_key = {one.key: one.checkpoint.key for one in [*self.wanted.evaluations, *self.wanted.references]}
        for one in evaluations:
            for key in one.rule["against"] if one.rule else ():
                earlier = self.found.of_evaluations(by_key.get(key, ""))
                if earlier is not None and earlier is not job and not waits_for(earlier, job):
                    job.after.append(earlier)

    def _check_overlap(self, evaluations: Sequence[PlannedEvaluation]) -> None:
        """Raise the error where rows about to be trained on contain whole evaluation items."""
        for key, rows in self.rows.items():
            own = [one for one in evaluations if key in [p.key for p in self.keys.chain(one.subject)]]
            items: dict[str, str] = {}
            for suite in [one.suite for one in own if one.suite.dataset is not None]:
                items.update({f"{suite.name}: {s.id}": s.whole for s in self.context.rows.samples(suite)})
            check_contained(rows.rows, items, self.found.jobs[key].name)
