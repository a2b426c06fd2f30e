"""One session at work: what is missing becomes jobs, and tests wait for theirs. Never imports torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TextIO

from harness.environment import threads
from harness.errors import CheckpointMissing, DeviceError, EvaluationMissing, HarnessError, NotOffered, Spared
from harness.evaluation import Checkpoint, Evaluation, StoredResults
from harness.evaluation.asking.rows import SuiteRows
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.gates.evidence import Missing
from harness.gates.forecast import Forecast
from harness.gates.gate import Gate
from harness.gates.judge import Judge
from harness.gates.stopping import Decided, StoppingRules
from harness.gates.sweeps import check_sweep
from harness.gates.verdict import Verdict
from harness.jobs.context import JobContext, note_left_out
from harness.jobs.devices import slots, threads_each
from harness.jobs.display import show
from harness.jobs.events import Event, Measured, MeasuringFailed, Note, StoppedEarly, Trained
from harness.jobs.executor import Executor, Places
from harness.jobs.job import Job, run_side_by_side
from harness.jobs.leases import Leases
from harness.jobs.missing import Jobs, Wanted, check_installed, missing_jobs
from harness.jobs.pool import WorkerPool
from harness.jobs.ray.cluster import Cluster
from harness.jobs.ray.pool import RayPool
from harness.jobs.train import TrainingJob
from harness.recipe import Subject, Sweep
from harness.session.selection import Selection
from harness.session.setup import Setup
from harness.suite import Suite


class Log:
    """What the jobs of a session reported; safe to write from their threads."""

    def __init__(self) -> None:
        self.trained: list[str] = []  # names of stages
        self.measured: list[str] = []  # names of evaluations
        self.stopped_early: list[StoppedEarly] = []
        self.notes: list[str] = []  # said beside the results
        self.failed: dict[str, HarnessError] = {}  # by key of the evaluation
        self.changed = threading.Condition()

    def add(self, event: Event) -> None:
        """Keep the event, and wake all threads that wait for one."""
        with self.changed:
            match event:
                case Trained(stage):
                    self.trained.append(stage)
                case Measured(_, name):
                    self.measured.append(name)
                case MeasuringFailed(key, error):
                    self.failed[key] = error
                case StoppedEarly():
                    self.stopped_early.append(event)
                case Note(text):
                    self.notes += [] if text in self.notes else [text]
            self.changed.notify_all()


class Run:
    """The state of one session: its jobs, what they reported, and what tests get from it.

    Where training is allowed, hub revisions that were never recorded are resolved now.
    """

    def __init__(self, setup: Setup) -> None:
        options = setup.options
        self.setup, self.gates, self.log = setup, setup.gates, Log()
        self.keys = setup.keys.pinned() if options.train else setup.keys
        rule = StoppingRules(self.gates, self.keys) if options.adaptive else None
        self.results = StoredResults(setup.store, self.keys, rule, judging_only=not options.train, typed=options.typed)
        self.judge = Judge(self.gates, self.results)
        self.pool, self.jobs = WorkerPool(), Jobs()
        self.places: Places = Leases()
        self.cluster: Cluster | None = None
        if options.executor != "local":
            on_gpus = options.devices != ("cpu",)
            narrow = None if options.exact else self.keys.arithmetic.dtype == "bfloat16"
            self.cluster = Cluster(options.executor, setup.store.root, on_gpus, narrow, self.log.add)
            self.pool, self.places = RayPool(self.cluster.slot, setup.store.root), self.cluster
        self.rows = SuiteRows(setup.keys.access, partial(note_left_out, setup.store.root, self.log.add))
        self.coming: set[str] = set()  # keys of the evaluations that the session will have made
        self._executor: Executor | None = None

    # ---- before anything runs ---------------------------------------------------------------------

    def wanted(self, selection: Selection) -> Wanted:
        """What the selected tests ask for, with the references and floors that their gates compare with."""
        evaluations, references = list(selection.evaluations), []
        for name in {subject.recipe.name for subject in selection.subjects} & self.setup.project.sweeps.keys():
            check_sweep(self.setup.project, self.setup.project.sweeps[name])
        for gate in selection.gates:
            evaluations += self.gates.own_sides(gate)
            references += self._references(gate, selection.subjects)
        references += self._untrained_beside(evaluations) + self._bases_of_sweeps(evaluations)
        return Wanted(
            subjects=selection.subjects,
            evaluations=[self.results.planned(suite, subject) for suite, subject in evaluations],
            references=[self.results.planned(suite, subject) for suite, subject in references],
            compared=self._compared(selection.subjects),
            retrain=self.setup.options.retrain,
            reevaluate=self.setup.options.reevaluate,
        )

    def _references(self, gate: Gate, selected: list[Subject]) -> list[tuple[Suite, Subject]]:
        """The other sides of a gate, if measuring them needs no training beyond what is selected."""
        own = [*selected, *self.gates.seeds_of(gate)]
        made = {planned.key for subject in own for planned in self.keys.chain(subject)}
        sides = self.gates.other_sides(gate)
        return [side for side in sides if all(p.key in made for p in self.results.needs_training(side[1]))]

    def _untrained_beside(self, evaluations: list[tuple[Suite, Subject]]) -> list[tuple[Suite, Subject]]:
        """The untrained model beside every multiple-choice result."""
        found: dict[tuple[str, str], tuple[Suite, Subject]] = {}
        for suite, subject in evaluations:
            other = self.setup.project.other_side(subject, "untrained") if suite.floors else None
            if other is not None:
                found[suite.name, subject.id] = suite, other
        return list(found.values())

    def _bases_of_sweeps(self, evaluations: list[tuple[Suite, Subject]]) -> list[tuple[Suite, Subject]]:
        """The base beside every setting of a sweep, by the suite that judges it."""
        project = self.setup.project
        judged = [
            (suite, project.other_side(subject, "base"))
            for suite, subject in evaluations
            if (sweep := project.sweeps.get(subject.recipe.name))
            and sweep.judged_by[0] == suite.name
            and suite.dataset is not None
        ]
        return list({(suite.name, base.id): (suite, base) for suite, base in judged if base is not None}.values())

    def _compared(self, subjects: list[Subject]) -> list[dict[str, list[Subject]]]:
        """Under --adaptive, the settings of each sweep that may be stopped early, by size, each under its seeds."""
        if not self.setup.options.adaptive or self.cluster is not None:
            return []
        groups: dict[tuple[str, str], dict[str, dict[str, Subject]]] = {}
        for subject in subjects:
            sweep = self.setup.project.sweeps.get(subject.recipe.name)
            if sweep is not None and sweep.can_be_halved and not self._is_declared(sweep, subject):
                size = sweep.size_of(subject.variant.name)
                groups.setdefault((sweep.recipe.name, size), {}).setdefault(subject.variant.name, {})[subject.id] = (
                    subject
                )
        return [{name: list(of.values()) for name, of in group.items()} for group in groups.values()]

    def _is_declared(self, sweep: Sweep, subject: Subject) -> bool:
        """Whether it is the recipe as declared, with which all settings are compared."""
        own = sweep.of[sweep.size_of(subject.variant.name)].with_seed(subject.seed)
        return self.keys.fingerprint(own) == self.keys.fingerprint(subject)

    def plan(self, wanted: Wanted) -> None:
        """Find the jobs for all that is missing; none where nothing may be trained."""
        if self.setup.options.train:
            self.coming = {planned.key for planned in [*wanted.evaluations, *wanted.references]}
            self.jobs = missing_jobs(wanted, self._context(), list(self.setup.project.suites.values()))

    def will_lack(self, gate: Gate) -> Missing | None:
        """What the gate will lack when all jobs are done, which is then the reason why it is skipped."""
        return self.judge.missing(gate, self.coming)

    def forecast(self) -> Forecast:
        """What gates could detect with the samples they will have."""
        return Forecast(self.judge, self.rows, self.setup.count)

    def _context(self) -> JobContext:
        decided = Decided(self.judge)
        return JobContext(
            results=self.results,
            pool=self.pool,
            rows=self.rows,
            report=self.log.add,
            track=self.setup.options.track,
            decided=lambda planned, so_far: decided(planned.suite, planned.subject, so_far),
        )

    # ---- running ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the jobs in the background; HarnessError where a library they need is not installed."""
        jobs = self.jobs.in_order
        if not jobs:
            return
        check_installed(jobs, here=self.cluster is None)
        devices = self._devices(jobs)
        self.jobs.discard(self.setup.store)
        self._executor = Executor(devices, self.pool.stop, self.places, self.log.add)
        self._executor.start(jobs)

    def _devices(self, jobs: list[Job]) -> list[str]:
        """The devices that jobs are given, this machine's or the cluster's. Each job learns what its worker gets of them."""
        options, given = self.setup.options, self.setup.options.devices
        if self.cluster is None:
            devices, each = slots(given), threads_each(given, run_side_by_side(jobs))
            gpus = 0 if given == ("cpu",) else len(given)
        else:
            self.cluster.join()
            devices, each, gpus = self.cluster.devices, self.cluster.threads, self.cluster.gpus
        if gpus and (options.gpus_per_job or 1) > gpus:
            raise DeviceError(
                f"--gpus-per-job {options.gpus_per_job}: a job can have {gpus} at most.",
                "Name more with --gpu." if self.cluster is None else "All GPUs of a job have to be in one machine.",
            )
        has_threads = bool(gpus) or self.cluster is not None or each * len(devices) <= threads()
        for job in jobs:
            job.threads = each
            job.devices = len(devices) if has_threads else 1  # else they would share what one computes with
            training = getattr(job.run, "training", job.run)  # of a rung, the training that it is part of
            if isinstance(training, TrainingJob):
                job.processes = training.processes(options.gpus_per_job, gpus)
        if any(job.processes > 1 for job in jobs) and isinstance(self.places, Leases):
            self.places.at_once = sorted(given)
        return devices

    def stop(self) -> None:
        """End all workers; what they leave behind, the next session resumes."""
        if self._executor:
            self._executor.stop()
        self.pool.let_go()
        self.places.give_back()
        self.setup.store.digests.remember()

    def show_until(self, done: Callable[[], bool], stream: TextIO) -> None:
        """Wait, with a bar for every running job, or a line every ten seconds where there is no terminal."""
        show(lambda: [job for job in self.jobs.jobs.values() if job.state == "running"], done, stream)

    def has_ended(self) -> bool:
        """Whether all jobs have."""
        return all(job.ended.is_set() for job in self.jobs.jobs.values())

    # ---- what tests ask for -----------------------------------------------------------------------

    def is_trained(self, subject: Subject) -> bool:
        """Whether asking for the checkpoint would not have to wait."""
        job = self.jobs.of_checkpoint(self.keys.fingerprint(subject))
        return job is None or job.ended.is_set()

    def checkpoint(self, subject: Subject) -> Checkpoint:
        """The subject's checkpoint; raises its job's error, or CheckpointMissing."""
        job = self.jobs.of_checkpoint(self.keys.fingerprint(subject))
        if job is not None:
            job.ended.wait()
            if job.error:
                raise job.error
        planned = self.keys.last(subject)
        spared = "" if self.results.is_there(planned) or job is not None else self.results.why_spared(planned)
        if spared:
            raise Spared(f"{subject.id} was stopped early: {spared}.", "Without --adaptive it goes on from there.")
        return self.results.checkpoint(subject)

    def is_measured(self, suite: Suite, subject: Subject) -> bool:
        """Whether asking for the evaluation would not have to wait."""
        planned = self.results.planned(suite, subject)
        job = self._measuring(planned)
        if job is None or job.ended.is_set() or planned.key in self.log.failed:
            return True
        return self.setup.store.holds("evaluations", planned.key)

    def evaluation(self, suite: Suite, subject: Subject) -> Evaluation:
        """The suite's evaluation of the subject; raises its job's error, CheckpointMissing or EvaluationMissing."""
        planned = self.results.planned(suite, subject)
        while not self.is_measured(suite, subject):
            with self.log.changed:
                self.log.changed.wait(timeout=0.1)
        self._raise_failure(planned)
        found = self.results.by_key(planned.key)
        if found is None:
            self.checkpoint(subject)
            raise self.results.missing(planned)
        return found

    def can_judge(self, gate: Gate) -> bool:
        """Whether asking for the verdict would not have to wait, for the gate itself or for those adjusted with it."""
        return all(self.is_measured(*side) for one in [gate, *self.gates.family(gate)] for side in self._sides(one))

    def verdict(self, gate: Gate) -> Verdict:
        """The gate's verdict; raises the error of an evaluation that it is about."""
        lacking = ""  # what a server does not offer
        for suite, subject in self._sides(gate):
            try:
                self.evaluation(suite, subject)
            except (NotOffered, Spared) as error:
                lacking = error.problem
            except (CheckpointMissing, EvaluationMissing):
                continue  # the verdict says so
        judged = self.judge.judge(gate)
        return replace(judged, message=lacking) if lacking and judged.verdict == "skipped" else judged

    def _sides(self, gate: Gate) -> list[tuple[Suite, Subject]]:
        return [*self.gates.own_sides(gate), *self.gates.other_sides(gate)]

    def _measuring(self, planned: PlannedEvaluation) -> Job | None:
        """The job that a test of this evaluation waits for."""
        return self.jobs.of_evaluations(planned.checkpoint.key)

    def _raise_failure(self, planned: PlannedEvaluation) -> None:
        """Raise the error of the evaluation, or the one that ended its job before it was measured."""
        if planned.key in self.log.failed:
            raise self.log.failed[planned.key]
        job = self._measuring(planned)
        if job is not None and job.error and not self.setup.store.holds("evaluations", planned.key):
            raise job.error
