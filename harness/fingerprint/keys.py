"""All keys of one project under one access to data: of rows, of stages, of evaluations. Reads digests, never rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness.data.reading.rows import Access
from harness.data.sources import Mix, Rows, Scale
from harness.files import FileDigests
from harness.fingerprint.checkpoints import ModelFolders, PlannedStage, StageKeys
from harness.fingerprint.code import ROWS, CodeDigests
from harness.fingerprint.data import DataKeys
from harness.fingerprint.evaluations import Arithmetic, EvaluationKeys, PlannedEvaluation, arithmetic_on
from harness.fingerprint.values import digest
from harness.recipe import Subject
from harness.suite import Suite


def _none() -> None:
    return None


@dataclass(frozen=True)
class Keys:
    """All keys; immutable: `at` and `pinned` give another `Keys`."""

    root: Path
    access: Access
    files: FileDigests
    suites: Callable[[], dict[str, Suite]] = dict  # the project's; called only where a key depends on all of them
    device: str = "cpu"  # where evaluations are made
    pin: bool = False  # see DataKeys
    without_data: bool = False
    last_lm_eval: Callable[[], str | None] = _none
    limit: int | None = None  # samples of a suite that a model is asked, at most
    models: Path | None = None  # where the machine keeps models, beside the project
    exact: bool = False  # evaluations are computed in float32, in batches of a fixed size

    @cached_property
    def code(self) -> CodeDigests:
        """Of the harness's own folders."""
        return CodeDigests(self.files)

    @cached_property
    def data(self) -> DataKeys:
        """Of declared rows."""
        return DataKeys(self.access, self.files, self.pin, self.without_data)

    @cached_property
    def folders(self) -> ModelFolders:
        """Where models that are named by a path or a hub id may lie."""
        return ModelFolders(self.root, self.models)

    @cached_property
    def _stages(self) -> StageKeys:
        return StageKeys(self.folders, self.data, self.code)

    @cached_property
    def _evaluations(self) -> EvaluationKeys:
        return EvaluationKeys(self.root, self.data, self.code, self.suites, self.last_lm_eval, self.limit)

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """How models are computed where they are measured."""
        return arithmetic_on(self.device, self.exact)

    def chain(self, subject: Subject) -> tuple[PlannedStage, ...]:
        """The stages that lead to a subject, first to last."""
        return self._stages.chain(subject)

    def last(self, subject: Subject) -> PlannedStage:
        """The stage whose checkpoint the subject is."""
        return self.chain(subject)[-1]

    def fingerprint(self, subject: Subject) -> str:
        """The key of the subject's checkpoint."""
        return self.last(subject).key

    def evaluation(self, suite: Suite, subject: Subject) -> PlannedEvaluation:
        """The whole suite, measured on the subject."""
        return self._evaluations.of(suite, self.last(subject), subject, self.arithmetic)

    def rows(self, wanted: Rows | Mix, scale: Scale) -> str:
        """Key of what the rows are read from, and by which code."""
        return digest([self.code.of(*ROWS), self.data.of(wanted, scale)])

    def at(self, scale: Scale) -> Keys:
        """The same project at another scale."""
        return replace(self, access=replace(self.access, scale=scale))

    def pinned(self) -> Keys:
        """The same, resolving hub revisions that were never recorded."""
        return replace(self, pin=True)

    def of_all(self, subjects: Iterable[Subject], seeds: Iterable[int]) -> set[str]:
        """Fingerprints of every stage that leads to one of the subjects, with each of the training seeds added.

        Raises the DataError of a scale whose data is missing, because its keys cannot be computed.
        """
        found: set[str] = set()
        seeds = list(seeds)
        for subject in subjects:
            keys = self.at(subject.scale)
            for seed in seeds:
                found |= {planned.key for planned in keys.chain(subject.with_seed(subject.seed + seed))}
        return found
