"""Suite x subject -> the evaluation that is wanted, with the keys of its answers and of its scores.

Answers depend on the checkpoint, the questions and the code that asks. Scores depend on the answers, the scorer and the
metrics. So there are two keys, and a new scorer finds the old answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from harness.environment import computes_bfloat16, version_of
from harness.files import FileDigests, Json
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.code import ANSWERS, ITEMS, SCORES, SERVED, CodeDigests, function_digest
from harness.fingerprint.data import DataKeys
from harness.fingerprint.task_files import files_reached
from harness.fingerprint.values import digest, plain
from harness.recipe import Subject
from harness.suite import LmEval, LmEvalTask, Overlap, Suite, drawn_order


@dataclass(frozen=True)
class PlannedEvaluation:
    """One suite to be measured on one subject, and all that its answers and its scores depend on."""

    suite: Suite
    subject: Subject
    checkpoint: PlannedStage  # the subject's last stage
    answers: Json  # all that the key of its answers is computed from
    spec: Json  # all that the evaluation's key is computed from, with the answers' key

    @cached_property
    def answers_key(self) -> str:
        """Key of what the model answered."""
        return digest(self.answers)

    @cached_property
    def key(self) -> str:
        """Key of the evaluation: of the answers, and of how they are scored."""
        return digest(self.spec)

    @property
    def name(self) -> str:
        """For people: subject and suite."""
        return f"{self.subject.id} {self.suite.name}"

    @property
    def limit(self) -> int | None:
        """Samples at most, by --limit; None where all are asked."""
        return self.spec.get("limit")

    @property
    def rule(self) -> Json | None:
        """The rule by which --adaptive may stop it early; None where all samples are asked."""
        return self.spec.get("adaptive")

    def adaptive(self, rule: Json) -> PlannedEvaluation:
        """The same, to be stopped by that rule. Which samples are asked then depends on their scores."""
        answers = {**self.answers, "adaptive": rule, "scorer": self.spec["suite"]["scorer"]}
        spec = {**self.spec, "answers": digest(answers), "adaptive": rule, "whole": self.key}
        return replace(self, answers=answers, spec=spec)


class EvaluationKeys:
    """Evaluations of suites on subjects; each is worked out once.

    `suites` gives all suites of the project, `last_lm_eval` the version of lm-eval that measured what is stored, where
    none is installed to measure with. `limit` is how many samples of each suite a model is asked at most.
    """

    def __init__(
        self,
        root: Path,
        data: DataKeys,
        code: CodeDigests,
        suites: Callable[[], dict[str, Suite]],
        last_lm_eval: Callable[[], str | None],
        limit: int | None,
    ) -> None:
        self.root, self.data, self.code = root, data, code
        self.suites, self.last_lm_eval, self.limit = suites, last_lm_eval, limit
        # By id of what it holds and scale: the suite as declared, as it asks at that scale, and its spec.
        self._suites: dict[tuple[int, str], tuple[Suite, Suite, Json]] = {}
        self._known: dict[tuple[int, str, str], PlannedEvaluation] = {}

    def of(self, suite: Suite, checkpoint: PlannedStage, subject: Subject, how: Arithmetic) -> PlannedEvaluation:
        """The evaluation of that checkpoint by the suite, as the subject's."""
        known = self._known.get((id(suite), checkpoint.key, subject.id))
        if known is None:
            known = self._known[id(suite), checkpoint.key, subject.id] = self._of(suite, checkpoint, subject, how)
        return known

    def _of(self, suite: Suite, checkpoint: PlannedStage, subject: Subject, how: Arithmetic) -> PlannedEvaluation:
        suite, declared = self._at(suite, checkpoint.subject.scale)
        own = {**declared, "data": self._data(suite, checkpoint)}
        asks_lm_eval = any(isinstance(ask, LmEval | LmEvalTask) for ask in suite.asks)
        answers: Json = {
            "checkpoint": checkpoint.key,
            "questions": {name: own[name] for name in ("to_sample", "asks", "system_prompt", "data")},
            "code": self._served_code if checkpoint.is_served else self._answers_code,
            "dtype": None if checkpoint.is_served else how.dtype,
            "lm_eval": self._lm_eval if asks_lm_eval else None,
        }
        if checkpoint.lookup is not None:
            answers["weights"] = checkpoint.weights.key
        if how.fixed_batches and not checkpoint.is_served:
            answers["batches"] = "fixed"
        spec: Json = {
            "checkpoint": checkpoint.key,
            "suite": own,
            "answers": digest(answers),
            "code": self._scores_code,
            "lm_eval": answers["lm_eval"],
        }
        if checkpoint.lookup is not None:
            spec["weights"] = checkpoint.weights.key
        if self.limit is not None and suite.needs_model:
            answers |= {"limit": self.limit, "drawn": function_digest(drawn_order)}
            spec |= {"answers": digest(answers), "limit": self.limit}
        return PlannedEvaluation(suite, subject, checkpoint, answers, spec)

    def _at(self, suite: Suite, scale: str) -> tuple[Suite, Json]:
        """The suite as it asks at that scale, and all of it that can change its scores except its data."""
        place = id(suite), scale
        if place not in self._suites:
            asked = suite.at(scale)
            self._suites[place] = suite, asked, suite_spec(asked)
        return self._suites[place][1:]

    def _data(self, suite: Suite, checkpoint: PlannedStage) -> list[Json]:
        """What decides the samples: the suite's rows, or those that its ask brings."""
        scale, stage = checkpoint.subject.scale, checkpoint.stage
        if suite.dataset is not None:
            data = self.data.of(suite.dataset, scale)
        elif not suite.needs_model and stage is not None and stage.held_out is not None:
            data = self.data.of(stage.held_out, scale)  # the checkpoint recorded their losses
        else:
            data = []
        for ask in suite.asks:
            if isinstance(ask, Overlap):
                data += self._items(checkpoint)
            if isinstance(ask, LmEvalTask) and (self.root / ask.task).is_file():
                reached = files_reached(self.root / ask.task)
                data.append({name: self.files.of(path) for name, path in reached.items()})
        return data

    def _items(self, checkpoint: PlannedStage) -> list[Json]:
        """What decides the evaluation items of all suites, and how training rows are searched for them."""
        items = [
            {
                "suite": suite.name,
                "data": self.data.of(suite.dataset, checkpoint.subject.scale),
                "to_sample": function_digest(suite.to_sample),
            }
            for suite in self.suites().values()
            if suite.dataset is not None and suite.to_sample is not None
        ]
        return [{"code": self.code.of(*ITEMS)}, *items]

    @property
    def files(self) -> FileDigests:
        return self.data.files

    @cached_property
    def _answers_code(self) -> str:
        return self.code.of(*ANSWERS)

    @cached_property
    def _served_code(self) -> str:
        return self.code.of(*SERVED)

    @cached_property
    def _scores_code(self) -> str:
        return self.code.of(*SCORES)

    @cached_property
    def _lm_eval(self) -> str | None:
        return version_of("lm_eval") or self.last_lm_eval()


def weights_behind(spec: Json) -> str:
    """The key of the weights that answered, from the spec of answers or of an evaluation."""
    return str(spec.get("weights") or spec["checkpoint"])


def suite_spec(suite: Suite) -> Json:
    """All of a suite that can change its scores, except its data."""
    return {
        "name": suite.name,
        "to_sample": function_digest(suite.to_sample) if suite.to_sample else None,
        "asks": plain(suite.asks),
        "system_prompt": suite.system_prompt,
        "scorer": function_digest(suite.scorer),
        "metrics": plain(suite.metrics),
        "floors": function_digest(suite.floors) if suite.floors else None,
    }


def dtype_on(device: str) -> str:
    """The dtype in which a model is measured: bfloat16 on GPUs that compute it, else float32."""
    return "bfloat16" if device.startswith("cuda") and computes_bfloat16(device) else "float32"


class Arithmetic(NamedTuple):
    """How a model is computed where it is measured."""

    dtype: str
    fixed_batches: bool  # of the same sizes whatever memory is free, so that sums are rounded in the same order


def arithmetic_on(device: str, exact: bool) -> Arithmetic:
    """As fast as it is good enough; `exact` is float32, and on a GPU fixed batches (on a CPU they are so anyway)."""
    return Arithmetic("float32" if exact else dtype_on(device), exact and device.startswith("cuda"))
