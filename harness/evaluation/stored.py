"""The results in a session's store, read-only: what gates, comparisons, forecasts and reports read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cached_property

from harness.errors import CheckpointMissing, EvaluationMissing, TrainingDiverged
from harness.evaluation.evaluation import Checkpoint, Evaluation
from harness.files import Json, short
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.fingerprint.keys import Keys
from harness.fingerprint.nearest import why_missing
from harness.recipe import Subject
from harness.store import Artifact, Store
from harness.suite import Suite
from harness.worker.child import ERROR

Rule = Callable[[Suite, Subject], Json | None]  # when --adaptive stops a suite; None if the whole suite is measured

SPARED = "spared.json"  # in the folder of a training that was stopped early: why, in words


class StoredResults:
    """Checkpoints and evaluations of one store under one set of keys.

    `rule` is given under --adaptive. `judging_only` says that nothing may be measured (--no-train). Then an evaluation
    that was stopped early, by any rule, is used where there is none of the whole suite. `typed` are the options that a
    suggested command repeats.
    """

    def __init__(
        self, store: Store, keys: Keys, rule: Rule | None = None, judging_only: bool = False, typed: str = ""
    ) -> None:
        self.store, self.keys, self.typed = store, keys, typed
        self.rule, self.judging_only = rule, judging_only
        self._chosen: dict[tuple[str, str], PlannedEvaluation] = {}  # by the whole suite's key, and subject

    # ---- checkpoints ------------------------------------------------------------------------------

    def artifact(self, planned: PlannedStage) -> Artifact | None:
        """The stage's published checkpoint, or None."""
        return self.store.get("checkpoints", planned.key) if planned.is_made else None

    def is_there(self, planned: PlannedStage) -> bool:
        """Whether the stage can be measured now: its checkpoint is stored, or it is a base that needs none."""
        return not planned.is_made or self.store.get("checkpoints", planned.key) is not None

    def needs_training(self, subject: Subject) -> list[PlannedStage]:
        """Stages of the subject that would take training steps."""
        return [p for p in self.keys.chain(subject) if p.trains and not self.is_there(p)]

    def checkpoint(self, subject: Subject) -> Checkpoint:
        """The subject's checkpoint. Raises CheckpointMissing if it would have to be trained first."""
        planned = self.keys.last(subject)
        artifact = self.artifact(planned)
        if artifact is None and planned.is_made:
            raise CheckpointMissing(
                f"{subject.id} has no checkpoint {short(planned.key)}"
                + (" and --no-train is set." if self.judging_only else "."),
                self.why_missing(planned),
            )
        return Checkpoint(subject, planned, artifact)

    def why_missing(self, planned: PlannedStage) -> str:
        """In words, how a stage that is missing differs from the nearest stored checkpoint."""
        return why_missing(planned, self.specs)

    def why_spared(self, planned: PlannedStage) -> str:
        """Why --adaptive stopped a training early, in words; empty where it did not, or where that went on since."""
        return str(self._left_behind(planned, SPARED).get("words", ""))

    def why_unfinished(self, planned: PlannedStage) -> str:
        """The same, or that the training diverged."""
        left = self._left_behind(planned, ERROR)
        diverged = left.get("kind") == TrainingDiverged.__name__
        return self.why_spared(planned) or (f"it diverged: {left['problem']}" if diverged else "")

    def _left_behind(self, planned: PlannedStage, name: str) -> Json:
        """A file of a training that is not finished; {} where there is none."""
        path = self.store.root / "checkpoints" / f"{planned.key}.partial" / name
        found: Json = json.loads(path.read_text()) if path.exists() else {}
        return found

    @property
    def specs(self) -> dict[str, Json]:
        """Fingerprint -> spec, what it was computed from, of every stored checkpoint, oldest first."""
        return {artifact.key: artifact.spec for artifact in self.store.all("checkpoints")}

    # ---- evaluations ------------------------------------------------------------------------------

    def planned(self, suite: Suite, subject: Subject) -> PlannedEvaluation:
        """The evaluation that this session uses for the suite on the subject.

        That of the whole suite, if it is stored. Else, under --adaptive, one that may be stopped early; and if nothing
        may be measured, the newest stored one that was stopped early, by any rule.
        """
        whole = self.keys.evaluation(suite, subject)
        if self.rule is None and not self.judging_only:
            return whole
        if (whole.key, subject.id) not in self._chosen:
            self._chosen[whole.key, subject.id] = self._choose(whole)
        return self._chosen[whole.key, subject.id]

    def _choose(self, whole: PlannedEvaluation) -> PlannedEvaluation:
        if self.store.holds("evaluations", whole.key):
            return whole
        if self.judging_only:
            rule = self._stopped.get(whole.key)
        else:
            rule = self.rule(whole.suite, whole.subject) if self.rule else None
        return whole if rule is None else whole.adaptive(rule)

    @cached_property
    def _stopped(self) -> dict[str, Json]:
        """Key of a whole suite's evaluation -> the rule that stopped the newest evaluation of part of that suite."""
        stopped = (a.spec for a in self.store.all("evaluations") if a.spec.get("adaptive"))
        return {spec["whole"]: spec["adaptive"] for spec in stopped}

    def evaluation(self, suite: Suite, subject: Subject) -> Evaluation | None:
        """The suite's stored evaluation of the subject, or None."""
        return self.by_key(self.planned(suite, subject).key)

    def needed(self, suite: Suite, subject: Subject) -> Evaluation:
        """The stored evaluation. Raises EvaluationMissing, with the command that makes it, where there is none."""
        found = self.evaluation(suite, subject)
        if found is None:
            raise self.missing(self.planned(suite, subject))
        return found

    def by_key(self, key: str) -> Evaluation | None:
        """A stored evaluation, or None."""
        artifact = self.store.get("evaluations", key)
        return Evaluation.stored(artifact) if artifact is not None else None

    def missing(self, planned: PlannedEvaluation) -> EvaluationMissing:
        """The error to raise for an evaluation that is needed and not stored."""
        subject = planned.subject
        return EvaluationMissing(
            f"{subject.id} has no evaluation {short(planned.key)} by suite {planned.suite.name}"
            + (" and --no-train is set." if self.judging_only else "."),
            f"Add it: pytest suites/ -k {subject.recipe.name} --scale {subject.scale}{self.typed}",
        )

    @cached_property
    def earlier(self) -> list[Evaluation]:
        """All evaluations that are stored when this is first used, oldest first."""
        return [Evaluation.stored(artifact, self.store) for artifact in self.store.all("evaluations")]

    def measured(self, subjects: Iterable[Subject], suites: Iterable[Suite]) -> dict[str, dict[str, str]]:
        """Subject -> suite -> key, for every evaluation that is stored."""
        keys: dict[str, dict[str, str]] = {}
        suites = list(suites)
        for subject in subjects:
            for suite in suites:
                key = self.planned(suite, subject).key if suite.concerns(subject) else None
                if key is not None and self.store.get("evaluations", key) is not None:
                    keys.setdefault(subject.id, {})[suite.name] = key
        return keys
