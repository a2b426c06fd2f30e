"""What was measured: a checkpoint, and a suite's scores of it. Values that read their files on first use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import SuiteError
from harness.files import Json
from harness.fingerprint.checkpoints import PlannedStage
from harness.recipe import Subject
from harness.scoring.metrics import Metric, metric_from
from harness.store import Artifact, Store
from harness.suite import Scores

SAMPLES = "samples.parquet"


@dataclass(frozen=True)
class Checkpoint:
    """A subject's weights, ready to be measured: what the `checkpoint` fixture gives a test."""

    subject: Subject
    planned: PlannedStage
    artifact: Artifact | None  # None for a base that is measured as it is

    @property
    def name(self) -> str:
        return self.subject.id

    @property
    def fingerprint(self) -> str:
        return self.planned.key

    @property
    def path(self) -> Path | None:
        """The checkpoint's folder; None for a base that is measured as it is.

        With a store in a bucket large files are in it once a worker has needed them on this machine.
        """
        return self.artifact.path if self.artifact else None


@dataclass(frozen=True)
class ScoredSample:
    """One sample of an evaluation: what was asked, what was answered, and the scores. Texts are not shortened."""

    sample_id: str
    cluster: str | None
    scores: Scores
    prompt: str | None = None  # as the suite has it
    target: str | None = None  # the reference answer as text
    completion: str | None = None
    target_json: str | None = None  # the target as the scorer got it
    rendered_prompt: str | None = None  # as the model was asked: in the chat template, with the system prompt
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    passages: str | None = None  # as JSON, those put before the question: `id`, and whether it is `right`
    found: bool | None = None  # whether a right one is among them; None where there is none to find
    finish_reason: str | None = None  # "end", "stop" (a stop string), or "length": cut at max_new_tokens


@dataclass(frozen=True)
class Evaluation:
    """A measurement of one checkpoint by one suite."""

    key: str
    spec: Json  # everything that the key was computed from
    record: Json  # counts, seconds, metrics with their intervals: see harness.evaluation.scored
    files: Json = field(default_factory=dict)  # SHA-256 of each stored file
    load: Callable[[], list[ScoredSample]] = field(default=list, compare=False, repr=False)

    @classmethod
    def stored(cls, artifact: Artifact, store: Store | None = None) -> Evaluation:
        """The evaluation that an artifact holds. Its samples are brought from the store when they are read first."""

        def load() -> list[ScoredSample]:
            if store is not None:
                store.bring([artifact])
            return _read(artifact.path / SAMPLES)

        return cls(artifact.key, artifact.spec, artifact.record, artifact.files, load)

    @cached_property
    def samples(self) -> list[ScoredSample]:
        """All samples that were scored, in the order asked."""
        return self.load()

    @property
    def suite(self) -> str:
        return str(self.spec["suite"]["name"])

    @property
    def subject(self) -> str | None:
        """Id of the subject for which it was measured first; others may have the same checkpoint."""
        return self.record.get("subject")

    @property
    def checkpoint(self) -> str:
        """Fingerprint of the checkpoint measured."""
        return str(self.spec["checkpoint"])

    @property
    def scored(self) -> int:
        """Number of samples that are done: scored, or spared by --limit, or by --adaptive once gates were decided."""
        return int(self.record["samples"]) + self.spared

    @property
    def available(self) -> int:
        """Number of samples in the suite."""
        return int(self.record.get("samples_available") or self.record["samples"])

    @property
    def spared(self) -> int:
        """Number of samples that were not asked, beyond --limit or because --adaptive stopped early."""
        return self.available - int(self.record["samples"])

    @property
    def limit(self) -> int | None:
        """How many samples --limit allowed; None where the whole suite was asked."""
        return self.spec.get("limit")

    @property
    def finish_reasons(self) -> dict[str, int]:
        """Why completions ended, "end", "stop" or "length", and how many so; empty where there are none."""
        return dict(self.record.get("finish_reasons", {}))

    @property
    def largest_cluster(self) -> int:
        """Number of samples in the suite's largest cluster."""
        return int(self.record.get("largest_cluster", 1))

    @property
    def adaptive(self) -> bool:
        """Whether its results were looked at while it was made, so that it could have been stopped early."""
        return bool(self.spec.get("adaptive"))

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """metric -> estimate, low, high, n, method."""
        return dict(self.record["metrics"])

    @property
    def floors(self) -> dict[str, dict[str, float]]:
        """metric -> floor -> what is scored without any knowledge, such as by chance."""
        return dict(self.record.get("floors", {}))

    def __getitem__(self, metric: str) -> float:
        """The metric's estimate."""
        if metric not in self.metrics:
            raise SuiteError(f"suite {self.suite} has no metric {metric!r} (it has: {', '.join(self.metrics)}).")
        return float(self.metrics[metric]["estimate"])

    def metric(self, name: str) -> Metric:
        """The metric as a value, which can be computed again from scores."""
        for stored in self.record["computed"]:
            if stored["name"] == name:
                return metric_from(stored)
        raise SuiteError(f"suite {self.suite} has no metric {name!r} (it has: {', '.join(self.metrics)}).")


def _read(path: Path) -> list[ScoredSample]:
    import pyarrow.parquet

    rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()  # read_table would load pandas
    return [ScoredSample(**{**row, "scores": json.loads(row["scores"])}) for row in rows]
