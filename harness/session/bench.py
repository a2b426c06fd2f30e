"""One session's bench: the recipes, the store and the devices; what is missing becomes jobs, and is waited for.

The control plane of the road. It reads digests and manifests, starts workers, and never imports torch.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.store import baselines
from harness.project.command_line import model_recipe, task_suite
from harness.project.declared import load_recipes, load_suites
from harness.data.reading.rows import Access, Loaded, load
from harness.data.sources import Mix, Rows, count_with
from harness.errors import CheckpointMissing, EvaluationMissing, HarnessError, RecipeError, StoreError, SuiteError
from harness.evaluation.evaluation import Evaluation
from harness.fingerprint.values import differences, digest, short
from harness.jobs.job import Executor, Job
from harness.session.options import Options
from harness.fingerprint.planning import PlannedStage, Planner, is_adapter
from harness.recipe import Fresh, Recipe, Subject
from harness.store.artifacts import Artifact, Store
from harness.suite import Suite, samples_of
from harness.jobs.process import WarmWorker, Worker


@dataclass(frozen=True)
class Checkpoint:
    """A subject's weights, ready to be measured: what the `checkpoint` fixture gives a test."""

    subject: Subject
    planned: PlannedStage
    artifact: Artifact | None  # None for weights used as they are

    @property
    def name(self) -> str:
        return self.subject.id

    @property
    def fingerprint(self) -> str:
        return self.planned.key

    @property
    def path(self) -> Path | None:
        """The published folder."""
        return self.artifact.path if self.artifact else None


@dataclass
class Bench:
    """Recipes, suites, store and jobs of one session."""

    root: Path
    store: Store
    options: Options
    recipes: dict[str, Recipe] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)  # names of stages trained in this session
    evaluated: list[str] = field(default_factory=list)  # names of evaluations measured in this session
    spared: list[tuple[str, int, int]] = field(default_factory=list)  # evaluation, samples never asked, of how many
    notes: list[str] = field(default_factory=list)  # what the header and the report say beside the results
    again: set[str] = field(default_factory=set)  # keys to be made anew: --retrain, --reevaluate
    workers: list[Worker] = field(default_factory=list)
    warm: list[WarmWorker] = field(default_factory=list)  # one at most for each job that runs at once
    hiring: threading.Lock = field(default_factory=threading.Lock)
    stopping: bool = False
    suite_errors: dict[str, HarnessError] = field(default_factory=dict)  # by evaluation key
    executor: Executor | None = None
    baseline: baselines.Baseline | None = None  # what guarded metrics are compared with
    stopping_rule: Callable[[Suite, Subject], dict[str, Any] | None] = lambda suite, subject: None  # see adaptive.py

    @classmethod
    def open(cls, root: Path, store: Path, options: Options) -> Bench:
        """A bench over the project at `root`."""
        bench = cls(root, Store(store), options)
        bench.recipes = load_recipes(root)
        for model in options.models:
            recipe = model_recipe(model, options.scale)
            if recipe.name in bench.recipes:
                raise RecipeError(f"--model {model}: its name {recipe.name!r} is a recipe's already.")
            bench.recipes[recipe.name] = recipe
        for task in options.tasks:
            task_suite(task)  # a misspelt one fails here
        if options.baseline is not None:
            bench.baseline = baselines.read(bench.store.root, options.baseline)
        count_with(bench.count)
        return bench

    def __post_init__(self) -> None:
        self.access = Access(
            self.options.scale,
            self.options.data_root,
            self.options.skip_bad_rows,
            self.root / "recipes" / "hub.lock.json",
        )
        self.planner = Planner(
            self.access, self.store.digests, self.root, lambda: self.suites, last_lm_eval=self._last_lm_eval
        )
        self.rows: dict[str, tuple[Loaded, Loaded | None]] = {}  # by stage key, read ahead and not yet trained on
        self.suite_rows: dict[str, Loaded] = {}
        self.chosen: dict[
            tuple[str, str], tuple[str, dict[str, Any]]
        ] = {}  # by key of the whole suite's evaluation, and subject
        self.changed = threading.Condition()
        self._suites: dict[str, Suite] | None = None

    @property
    def suites(self) -> dict[str, Suite]:
        """The project's suites by name; read on first use."""
        if self._suites is None:
            self._suites = load_suites(self.root)
            for task in self.options.tasks:
                suite = task_suite(task)
                if suite.name in self._suites:
                    raise SuiteError(f"--tasks {task}: its name {suite.name!r} is a suite's already.")
                self._suites[suite.name] = suite
        return self._suites

    def _last_lm_eval(self) -> str | None:
        """The version of lm-eval that measured the newest stored evaluation which asked it."""
        found = [a.spec["lm_eval"] for a in self.store.all("evaluations") if a.spec.get("lm_eval")]
        return found[-1] if found else None

    # ---- subjects -------------------------------------------------------------------------------------

    def subjects(self) -> list[Subject]:
        """Every recipe's variants of the session's scale, each once per seed."""
        found = [s for recipe in self.recipes.values() for s in recipe if s.scale == self.options.scale]
        return [
            subject.with_seed(subject.seed + seed)
            for subject in found
            for seed in range(self.options.seeds if subject.stages else 1)
        ]

    def subject(self, recipe: str, variant: str, seed: int = 0) -> Subject:
        """A subject by recipe and variant; RecipeError where there is none."""
        if recipe not in self.recipes:
            raise RecipeError(f"there is no recipe {recipe!r} (recipes: {', '.join(self.recipes)}).")
        found = self.recipes[recipe][variant]
        return found.with_seed(found.seed + seed) if seed and found.stages else found

    def seeds_of(self, subject: Subject) -> list[Subject]:
        """The subject under every training seed of the session, its own first."""
        count = self.options.seeds if subject.stages else 1
        return [subject.with_seed(subject.seed + seed) for seed in range(count)]

    def wanted_by_recipes(self) -> set[str]:
        """Keys of all checkpoints that some variant of some recipe leads to, at every scale and with every seed stored.

        Raises the DataError of a scale whose data is not at hand, since its keys cannot be known.
        """
        seeds = {int(a.spec.get("seed", 0)) for a in self.store.all("checkpoints")} | {0}
        wanted = set()
        for subject in [subject for recipe in self.recipes.values() for subject in recipe]:
            access = replace(self.access, scale=subject.scale)
            planner = Planner(access, self.store.digests, self.root)
            for seed in seeds:
                wanted |= {planned.key for planned in planner.chain(subject.with_seed(subject.seed + seed))}
        return wanted

    def artifact(self, planned: PlannedStage) -> Artifact | None:
        """The stage's published checkpoint, or None."""
        return self.store.get("checkpoints", planned.key) if planned.is_made else None

    def is_there(self, planned: PlannedStage) -> bool:
        """Whether nothing has to be made before the stage can be measured."""
        if not planned.is_made:
            return True
        return planned.key not in self.again and self.store.get("checkpoints", planned.key) is not None

    def needs_training(self, subject: Subject) -> list[PlannedStage]:
        """Stages of the subject that would take training steps."""
        return [p for p in self.planner.chain(subject) if p.trains and not self.is_there(p)]

    def place(self, planned: PlannedStage) -> dict[str, Any]:
        """Where a worker loads the stage's weights from."""
        artifact = self.artifact(planned)
        if artifact is None:
            return self.place_of_model(planned)
        if is_adapter(planned):
            assert planned.parent is not None
            return {"adapter": str(artifact.path), "base": self.place(planned.parent)}
        return {"path": str(artifact.path)}

    def place_of_model(self, planned: PlannedStage) -> dict[str, Any]:
        """The hub model at its recorded revision, or the local directory, that a stage's spec names as its base."""
        base, declared = planned.spec["base"], planned.subject.variant.base
        if "model" in base:
            return {"model": base["model"], "revision": base["revision"]}
        folder = Path(str(declared.like if isinstance(declared, Fresh) else declared))
        return {"path": str(folder if folder.is_absolute() else self.root / folder)}

    # ---- data -----------------------------------------------------------------------------------------

    def evaluation_key(self, suite: Suite, subject: Subject) -> str:
        """Key of the suite's evaluation of the subject."""
        return self.evaluation_spec(suite, subject)[0]

    def evaluation_spec(self, suite: Suite, subject: Subject) -> tuple[str, dict[str, Any]]:
        """Key of the suite's evaluation of the subject, and all that it was computed from.

        One of the whole suite where there is one. Else, under --adaptive, one that may be stopped early; and where
        nothing may be measured, the newest of those that there is, by whatever rule it was stopped.
        """
        whole = self.planner.evaluation(suite, self.planner.chain(subject)[-1], self.options.devices[0])
        if not self.options.adaptive and self.options.train:
            return whole
        if (whole[0], subject.id) not in self.chosen:
            self.chosen[whole[0], subject.id] = self._chosen(suite, subject, *whole)
        return self.chosen[whole[0], subject.id]

    def _chosen(self, suite: Suite, subject: Subject, key: str, spec: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if self._manifest(key).exists():
            return key, spec
        if not self.options.train:
            return self._stoppable.get(key, (key, spec))
        rule = self.stopping_rule(suite, subject)
        adaptive = {**spec, "adaptive": rule}
        return (key, spec) if rule is None else (digest(adaptive), adaptive)

    @cached_property
    def _stoppable(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """The newest evaluation under --adaptive in place of each of a whole suite, by the latter's key."""
        found = {}
        for artifact in self.store.all("evaluations"):
            if artifact.spec.get("adaptive"):
                whole = {name: value for name, value in artifact.spec.items() if name != "adaptive"}
                found[digest(whole)] = artifact.key, artifact.spec
        return found

    def suite_data(self, suite: Suite) -> Loaded:
        """The suite's own rows; read once a session."""
        if suite.name not in self.suite_rows:
            assert suite.dataset is not None
            loaded = load(suite.dataset, self.access, raw=True)
            samples_of(suite, loaded.rows)
            self.note_left_out(f"suite {suite.name}", loaded)
            self.suite_rows[suite.name] = loaded
        return self.suite_rows[suite.name]

    def count(self, wanted: Rows | Mix) -> int:
        """Rows of a dataset at the session's scale; counted once for the same bytes."""
        key = f"rows:{digest([self.planner.reading, self.planner.data(wanted, self.options.scale)])}"
        if key not in self.store.digests.known:
            self.store.digests.learn(key, len(load(wanted, self.access, raw=True).rows))
        return int(self.store.digests.known[key])

    def note_left_out(self, who: str, loaded: Loaded) -> None:
        """Say how many rows were left out, and list them in the store's folder."""
        if not loaded.left_out:
            return
        folder = self.store.root / "left_out"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{who.replace(' ', '-').replace(':', '')}.txt"
        path.write_text("\n".join(loaded.left_out) + "\n")
        note = f"{who}: {len(loaded.left_out):,} rows left out, listed in {path}"
        if note not in self.notes:
            self.notes.append(note)

    # ---- workers --------------------------------------------------------------------------------------

    def pin_revisions(self) -> None:
        """From now on a hub revision that is not recorded is resolved before it goes into a key."""
        self.planner = Planner(self.access, self.store.digests, self.root, lambda: self.suites, pin=True)

    def stop(self) -> None:
        """End all workers, leaving states that the next session resumes."""
        if self.executor:
            self.executor.stop()
        self.let_go()
        self.store.digests.remember()

    def stop_workers(self) -> None:
        """Ask every running worker to end resumably."""
        self.stopping = True
        for worker in self.workers:
            worker.stop()

    def ask_model(self, folder: Path, device: str, name: str) -> Worker:
        """The folder's request at a model worker of the device, which stays warm from one checkpoint to the next."""
        with self.hiring:
            idle = [worker for worker in self.warm if worker.device == device and worker.idle]
            worker = idle[0] if idle else WarmWorker("harness.models", device)
            if not idle:
                self.warm.append(worker)
            asked = worker.ask(folder, name)
        self.workers.append(asked)
        if self.stopping:
            asked.stop()
        return asked

    def let_go(self, device: str | None = None) -> None:
        """End the model workers that wait, of one device or of all: what they hold of its memory is needed."""
        with self.hiring:
            for worker in [worker for worker in self.warm if device in (None, worker.device)]:
                if worker.idle or device is None:
                    self.warm.remove(worker)
                    worker.close()

    def run_worker(self, module: str, folder: Path, device: str, name: str) -> Worker:
        """A worker process, known to the session so that it is stopped with it."""
        if device != "cpu":
            self.let_go(device)
        worker = Worker(module, folder, device, name)
        self.workers.append(worker)
        if self.stopping:
            worker.stop()
        return worker

    # ---- what tests ask for ---------------------------------------------------------------------------

    def job_of_checkpoint(self, subject: Subject) -> Job | None:
        """The job that a test of this checkpoint waits for."""
        return self.jobs.get(self.planner.fingerprint(subject))

    def job_of_evaluation(self, subject: Subject) -> Job | None:
        """The job that a test of this subject's evaluations waits for."""
        return self.jobs.get(f"measure {self.planner.fingerprint(subject)}")

    def checkpoint(self, subject: Subject) -> Checkpoint:
        """The subject's checkpoint; raises its job's error, or CheckpointMissing."""
        job = self.job_of_checkpoint(subject)
        if job is not None:
            job.ended.wait()
            if job.error:
                raise job.error
        planned = self.planner.chain(subject)[-1]
        artifact = self.artifact(planned)
        if artifact is None and planned.is_made:
            raise CheckpointMissing(
                f"{subject.id} has no checkpoint {short(planned.key)}"
                + (" and --no-train is set." if not self.options.train else "."),
                self.nearest_told(planned),
            )
        return Checkpoint(subject, planned, artifact)

    def evaluation(self, suite: Suite, subject: Subject) -> Evaluation:
        """The suite's evaluation of the subject; raises its job's error, or EvaluationMissing."""
        key = self.evaluation_key(suite, subject)
        job = self.job_of_evaluation(subject)
        while not self.is_measured(suite, subject):
            with self.changed:
                self.changed.wait(timeout=0.1)
        if key in self.suite_errors:
            raise self.suite_errors[key]
        artifact = self.store.get("evaluations", key)
        if artifact is not None:
            return Evaluation(artifact)
        if job is not None and job.error:
            raise job.error
        self.checkpoint(subject)
        raise EvaluationMissing(
            f"{subject.id} has no evaluation {short(key)} by suite {suite.name}"
            + (" and --no-train is set." if not self.options.train else "."),
            f"Add it: pytest suites/ -k {subject.recipe.name} --scale {subject.scale}",
        )

    def is_measured(self, suite: Suite, subject: Subject) -> bool:
        """Whether asking for the evaluation would not have to wait."""
        job, key = self.job_of_evaluation(subject), self.evaluation_key(suite, subject)
        return job is None or job.ended.is_set() or key in self.suite_errors or self._published(key)

    def _published(self, key: str) -> bool:
        return key not in self.again and self._manifest(key).exists()

    def _manifest(self, key: str) -> Path:
        return self.store.root / "evaluations" / key / "manifest.json"

    def stored_evaluation(self, suite: Suite, subject: Subject) -> Evaluation | None:
        """The evaluation if it is there or under way in this session; waits, starts nothing."""
        try:
            return self.evaluation(suite, subject)
        except (CheckpointMissing, EvaluationMissing):
            return None

    def measured(self, subjects: Iterable[Subject]) -> dict[str, dict[str, str]]:
        """Subject -> suite -> key, of every evaluation that is stored."""
        found: dict[str, dict[str, str]] = {}
        for subject in subjects:
            for suite in self.suites.values():
                key = self.evaluation_key(suite, subject) if suite.concerns(subject) else None
                if key is not None and self.store.get("evaluations", key) is not None:
                    found.setdefault(subject.id, {})[suite.name] = key
        return found

    def nearest(self, planned: PlannedStage) -> tuple[Artifact, list[tuple[str, Any, Any]]] | None:
        """The stored checkpoint of the same kind that differs in the fewest fields, and those fields."""
        best: tuple[Artifact, list[tuple[str, Any, Any]]] | None = None
        for artifact in self.store.all("checkpoints"):
            if artifact.key == planned.key or artifact.spec.get("stage") != planned.kind:
                continue
            differing = list(differences(artifact.spec, json.loads(json.dumps(planned.spec))))
            if best is None or len(differing) < len(best[1]):
                best = artifact, differing
        return best

    def why_missing(self, planned: PlannedStage) -> str:
        """Why the stage has to be made: how it differs from the nearest checkpoint in the store."""
        return "the first of its kind" if self.nearest(planned) is None else self.nearest_told(planned)

    def nearest_told(self, planned: PlannedStage) -> str:
        """In words, what differs from the nearest checkpoint in the store."""
        found = self.nearest(planned)
        if found is None:
            return f"The store holds no {planned.kind} checkpoint at all. Run without --no-train to make it."
        artifact, differing = found
        told = "; ".join(f"{name}: {_said(there)} there, {_said(here)} here" for name, there, here in differing[:4])
        more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
        return f"The nearest, {artifact.short}, differs in {told}{more}."

    def suite_named(self, name: str) -> Suite:
        """A suite by name; SuiteError where there is none."""
        if name not in self.suites:
            raise SuiteError(f"there is no suite {name!r} (suites: {', '.join(self.suites)}).")
        return self.suites[name]

    def published(self, key: str, name: str) -> None:
        """Tell those who wait that an evaluation is there."""
        with self.changed:
            self.again.discard(key)
            self.evaluated.append(name)
            self.changed.notify_all()

    def failed(self, key: str, error: HarnessError) -> None:
        """Tell those who wait that an evaluation came to nothing."""
        with self.changed:
            self.suite_errors[key] = error
            self.changed.notify_all()


def _said(value: Any) -> str:
    text = str(value)
    return short(text) if len(text) >= 32 and " " not in text else text


def open_store(folder: str | Path) -> Path:
    """The store's folder, made if need be; StoreError where it cannot be."""
    if "://" in str(folder):
        raise StoreError(f"--store {folder}: a store is a folder so far.", "Mount the bucket, or copy the folder.")
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--store {folder}: {error.strerror}.", "Name a folder that can be written.") from None
    return path
