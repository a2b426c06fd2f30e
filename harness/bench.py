"""One session's bench: the recipes, the store and the devices; what is missing becomes jobs, and is waited for.

The control plane of the road. It reads digests and manifests, starts workers, and never imports torch.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import measuring, training_jobs
from harness.catalogue import load_recipes, load_suites
from harness.data.overlap import check_contained
from harness.data.reading import Access, Loaded, load
from harness.data.sources import Mix, Rows, Scale, count_with
from harness.devices import slots
from harness.errors import CheckpointMissing, EvaluationMissing, HarnessError, RecipeError, StoreError, SuiteError
from harness.evaluation import Evaluation
from harness.fingerprint import differences, digest
from harness.jobs import Job, LocalExecutor, in_order
from harness.planning import PlannedStage, Planner, is_adapter, short
from harness.recipe import Recipe, Subject
from harness.store import Artifact, Store
from harness.suite import Suite, samples_of
from harness.worker import Worker

NEEDED = ("torch", "transformers", "trl", "peft", "datasets", "lm_eval")  # by the workers


@dataclass(frozen=True)
class Options:
    """What a session was asked for."""

    scale: Scale
    devices: tuple[str, ...] = ("cpu",)
    data_root: Path | None = None
    skip_bad_rows: bool = False
    train: bool = True
    retrain: bool = False
    reevaluate: bool = False
    seeds: int = 1
    strict_gates: bool = False
    track: str | None = None
    models: tuple[str, ...] = ()


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
    notes: list[str] = field(default_factory=list)  # what the header and the report say beside the results
    workers: list[Worker] = field(default_factory=list)
    suite_errors: dict[str, HarnessError] = field(default_factory=dict)  # by evaluation key
    executor: LocalExecutor | None = None

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
        count_with(bench.count)
        return bench

    def __post_init__(self) -> None:
        self.access = Access(
            self.options.scale,
            self.options.data_root,
            self.options.skip_bad_rows,
            self.root / "recipes" / "hub.lock.json",
        )
        self.planner = Planner(self.access, self.store.digests, self.root)
        self.rows: dict[str, tuple[Loaded, Loaded | None]] = {}  # by stage key, read ahead and not yet trained on
        self.suite_rows: dict[str, Loaded] = {}
        self.changed = threading.Condition()
        self._suites: dict[str, Suite] | None = None

    @property
    def suites(self) -> dict[str, Suite]:
        """The project's suites by name; read on first use."""
        if self._suites is None:
            self._suites = load_suites(self.root)
        return self._suites

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

    def artifact(self, planned: PlannedStage) -> Artifact | None:
        """The stage's published checkpoint, or None."""
        return self.store.get("checkpoints", planned.key) if planned.is_made else None

    def is_there(self, planned: PlannedStage) -> bool:
        """Whether nothing has to be made before the stage can be measured."""
        return not planned.is_made or self.store.get("checkpoints", planned.key) is not None

    def needs_training(self, subject: Subject) -> list[PlannedStage]:
        """Stages of the subject that would take training steps."""
        return [p for p in self.planner.chain(subject) if p.trains and not self.is_there(p)]

    def place(self, planned: PlannedStage) -> dict[str, Any]:
        """Where a worker loads the stage's weights from."""
        artifact = self.artifact(planned)
        if artifact is None:
            base = planned.spec["base"]
            if "model" not in base:
                declared = Path(str(planned.subject.variant.base))
                return {"path": str(declared if declared.is_absolute() else self.root / declared)}
            from harness.data import hub

            return {
                "model": base["model"],
                "revision": base["revision"] or hub.resolve("model", base["model"], self.access.lock_file),
            }
        if is_adapter(planned):
            assert planned.parent is not None
            return {"adapter": str(artifact.path), "base": self.place(planned.parent)}
        return {"path": str(artifact.path)}

    # ---- the graph ------------------------------------------------------------------------------------

    def evaluation_key(self, suite: Suite, subject: Subject) -> str:
        """Key of the suite's evaluation of the subject."""
        return self._evaluation_spec(suite, subject)[0]

    def _evaluation_spec(self, suite: Suite, subject: Subject) -> tuple[str, dict[str, Any]]:
        fingerprint = self.planner.fingerprint(subject)
        return self.planner.evaluation(suite, fingerprint, subject.scale, self.options.devices[0])

    def want(self, checkpoints: Iterable[Subject], evaluations: Iterable[tuple[Suite, Subject]]) -> list[Job]:
        """Jobs for all that is missing, parents first; rows are read and checked before anything runs.

        With training switched off, nothing is made and an empty list is returned.
        """
        evaluations = list(evaluations)
        subjects = {subject.id: subject for subject in [*checkpoints, *(s for _, s in evaluations)]}
        missing: dict[str, dict[str, tuple[Suite, str, dict[str, Any]]]] = {}
        owners: dict[str, Subject] = {}
        for suite, subject in evaluations:
            key, spec = self._evaluation_spec(suite, subject)
            if self.options.reevaluate and key not in self.reevaluated:
                self.store.remove("evaluations", key)
                self.reevaluated.add(key)
            if self.store.get("evaluations", key) is None:
                last = self.planner.fingerprint(subject)
                missing.setdefault(last, {})[key] = (suite, key, spec)
                owners.setdefault(last, subject)
        if self.options.retrain and self.options.train:
            self._forget(subjects.values())
        if not self.options.train:
            return []
        for subject in subjects.values():
            for planned in self.planner.chain(subject):
                self._training_job(planned)
        self._check_overlap(evaluations)
        for fingerprint, suites in missing.items():
            self._measuring_job(owners[fingerprint], list(suites.values()))
        return in_order(self.jobs)

    reevaluated: set[str] = field(default_factory=set)
    retrained: set[str] = field(default_factory=set)

    def _forget(self, subjects: Iterable[Subject]) -> None:
        """--retrain: the selected subjects' own stages are made anew, their parents' are kept."""
        for subject in subjects:
            for planned in self.planner.chain(subject):
                if planned.subject.id == subject.id and planned.trains and planned.key not in self.retrained:
                    self.store.remove("checkpoints", planned.key)
                    self.retrained.add(planned.key)

    def _training_job(self, planned: PlannedStage) -> Job | None:
        if planned.key in self.jobs:
            return self.jobs[planned.key]
        if self.is_there(planned):
            return None
        self.rows[planned.key] = training_jobs.read_rows(self, planned)
        parent = self.jobs.get(planned.parent.key) if planned.parent else None
        job = Job(
            planned.name,
            partial(training_jobs.train, self, planned),
            needs=[parent] if parent else [],
            urgency=0,
            progress=partial(training_jobs.progress, self, planned),
        )
        self.jobs[planned.key] = job
        return job

    def _measuring_job(self, subject: Subject, suites: list[tuple[Suite, str, dict[str, Any]]]) -> None:
        planned = self.planner.chain(subject)[-1]
        for suite, key, _ in suites:
            if suite.dataset is not None:
                self.suite_data(suite, key, subject.scale)
        parent = self.jobs.get(planned.key)
        self.jobs[f"measure {planned.key}"] = Job(
            f"{subject.id} measuring",
            partial(measuring.measure, self, subject, suites),
            needs=[parent] if parent else [],
            urgency=1,
            progress=partial(measuring.progress, self, subject, suites),
        )

    def suite_data(self, suite: Suite, key: str, scale: Scale) -> Loaded:
        """The suite's own rows."""
        if key not in self.suite_rows:
            assert suite.dataset is not None
            loaded = load(suite.dataset, self.access, raw=True)
            samples_of(suite, loaded.rows)
            self.note_left_out(f"suite {suite.name}", loaded)
            self.suite_rows[key] = loaded
        return self.suite_rows[key]

    def count(self, wanted: Rows | Mix) -> int:
        """Rows of a dataset at the session's scale; counted once for the same bytes."""
        key = f"rows:{digest(self.planner.data(wanted, self.options.scale))}"
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

    def _check_overlap(self, evaluations: list[tuple[Suite, Subject]]) -> None:
        """Whole evaluation items within the rows about to be trained on are an error."""
        for key, (loaded, _) in self.rows.items():
            items = {}
            for suite, subject in evaluations:
                if suite.dataset is None or key not in [p.key for p in self.planner.chain(subject)]:
                    continue
                rows = self.suite_data(suite, self.evaluation_key(suite, subject), subject.scale).rows
                items.update({f"{suite.name}: {sample.id}": sample.whole for sample in samples_of(suite, rows)})
            check_contained(loaded.rows, items, self.jobs[key].name)

    def start(self, jobs: list[Job]) -> None:
        """Run the jobs beside the session; HarnessError where what they need is not installed."""
        if jobs:
            missing = [name for name in NEEDED if find_spec(name) is None]
            if missing:
                raise HarnessError(
                    f"to train and measure, {', '.join(missing)} must be installed.",
                    "Install them: pip install 'harness[train]'. To judge what is stored, pass --no-train.",
                )
            self.executor = LocalExecutor(slots(self.options.devices), self._stop_workers)
            self.executor.start(jobs)

    def stop(self) -> None:
        """End all workers, leaving states that the next session resumes."""
        if self.executor:
            self.executor.stop()
        self.store.digests.remember()

    def _stop_workers(self) -> None:
        for worker in self.workers:
            worker.stop()

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
        return (self.store.root / "evaluations" / key / "manifest.json").exists()

    def stored_evaluation(self, suite: Suite, subject: Subject) -> Evaluation | None:
        """The evaluation if it is there or under way in this session; waits, starts nothing."""
        try:
            return self.evaluation(suite, subject)
        except (CheckpointMissing, EvaluationMissing):
            return None

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


def model_recipe(model: str, scale: Scale) -> Recipe:
    """An existing model as a subject without training: `--model PATH|HUB_ID`."""
    import re

    from harness.recipe import Variant

    path = Path(model).expanduser()
    base = str(path.resolve()) if path.exists() else model
    name = re.sub(r"\W+", "_", (path.name if path.exists() else model.split("/")[-1])).strip("_").lower()
    return Recipe(
        name=name if name.isidentifier() else f"model_{name}",
        variants=(Variant(scale, base=base, scale=scale),),
        hypothesis=f"{model}, measured as it is.",
    )


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
