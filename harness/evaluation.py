"""Suite x checkpoint -> evaluation: what is asked, under which key, and how answers become a stored artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, SuiteError
from harness.fingerprint import function_digest, plain
from harness.scoring.metrics import Metric, metric_from, metrics_of
from harness.store import Artifact, Store
from harness.suite import Choices, LmEval, Sample, Suite, samples_of

SAMPLES = "samples.parquet"


@dataclass(frozen=True)
class Evaluation:
    """A stored measurement of one checkpoint by one suite."""

    artifact: Artifact

    @property
    def key(self) -> str:
        return self.artifact.key

    @property
    def suite(self) -> str:
        return str(self.artifact.manifest["spec"]["suite"]["name"])

    @property
    def checkpoint(self) -> str:
        """Fingerprint of the checkpoint measured."""
        return str(self.artifact.manifest["spec"]["checkpoint"])

    @property
    def scored(self) -> int:
        """Samples scored."""
        return int(self.artifact.manifest["record"]["samples"])

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """metric -> estimate, low, high, n, method."""
        return dict(self.artifact.manifest["record"]["metrics"])

    @property
    def floors(self) -> dict[str, dict[str, float]]:
        """metric -> floor -> what an answer without knowledge scores."""
        return dict(self.artifact.manifest["record"].get("floors", {}))

    def __getitem__(self, metric: str) -> float:
        """The metric's estimate."""
        if metric not in self.metrics:
            raise SuiteError(f"suite {self.suite} has no metric {metric!r} (it has: {', '.join(self.metrics)}).")
        return float(self.metrics[metric]["estimate"])

    def metric(self, name: str) -> Metric:
        """How the metric is computed from scores."""
        for stored in self.artifact.manifest["record"]["computed"]:
            if stored["name"] == name:
                return metric_from(stored)
        raise SuiteError(f"suite {self.suite} has no metric {name!r} (it has: {', '.join(self.metrics)}).")

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Per sample: sample_id, cluster, prompt, target, completion, scores."""
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(self.artifact.path / SAMPLES).to_pylist()
        return [{**row, "scores": json.loads(row["scores"])} for row in rows]


def suite_spec(suite: Suite) -> dict[str, Any]:
    """All of a suite that can change its scores, but for its data."""
    return {
        "name": suite.name,
        "to_sample": function_digest(suite.to_sample) if suite.to_sample else None,
        "asks": plain(suite.asks),
        "system_prompt": suite.system_prompt,
        "scorer": function_digest(suite.scorer),
        "metrics": plain(suite.metrics),
        "floors": function_digest(suite.floors) if suite.floors else None,
    }


def questions(suite: Suite, rows: Sequence[dict[str, Any]]) -> list[tuple[Sample, dict[str, Any]]]:
    """Each sample with what is sent to the model worker; where copies are compared, every sample once per copy."""
    asked = []
    for row, sample in zip(rows, samples_of(suite, rows), strict=True):
        sent: dict[str, Any] = {"id": sample.id, "prompt": sample.prompt, "target": sample.answer}
        if any(isinstance(ask, LmEval) for ask in suite.asks):
            sent["row"] = {name: value for name, value in row.items() if name not in ("source", "origin")}
        if any(isinstance(ask, Choices) for ask in suite.asks):
            sent["choices"] = sample.choices
        if not suite.copies:
            asked.append((sample, sent))
        for copy in suite.copies:
            named = replace(sample, id=f"{sample.id}@{copy}", cluster=sample.cluster or sample.id)
            asked.append((named, {**sent, "id": named.id, "copy": copy}))
    return asked


def recorded(checkpoint: Artifact, rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[Sample, dict[str, Any]]]:
    """The held-out rows of a checkpoint's own training record, with the losses noted there.

    `rows` are those declared now, by id; SuiteError where the training watched others.
    """
    path = checkpoint.path / "held_out_losses.json"
    if not path.exists():
        return []
    losses = json.loads(path.read_text())
    if losses["before"].keys() != rows.keys():
        raise SuiteError(
            f"checkpoint {checkpoint.short} was watched on {len(losses['before']):,} held-out rows while it trained, "
            f"and {len(rows.keys() & losses['before'].keys()):,} of the {len(rows):,} declared now are among them.",
            "Restore the declaration, or train again with --retrain.",
        )
    return [
        (Sample(id=name, cluster=rows[name]["group"]), {"before": before, "after": losses["after"][name]})
        for name, before in losses["before"].items()
    ]


def publish(
    store: Store,
    key: str,
    spec: dict[str, Any],
    suite: Suite,
    samples: Sequence[Sample],
    answers: Sequence[Mapping[str, Any]],
    record: dict[str, Any],
) -> Evaluation:
    """Score the answers and store them with the metrics' intervals."""
    scores = []
    for sample, answer in zip(samples, answers, strict=True):
        try:
            scores.append(suite.scorer(sample, answer))
        except HarnessError:
            raise
        except Exception as error:  # a scorer is the user's own code
            raise SuiteError(
                f"suite {suite.name}: sample {sample.id}: {suite.scorer.__name__} fails with "
                f"{type(error).__name__}: {error}."
            ) from error
    metrics = metrics_of(suite.metrics, scores)
    clusters = [sample.cluster for sample in samples]
    found = {}
    for metric in metrics:
        interval = metric.interval(scores, clusters)
        found[metric.name] = {name: getattr(interval, name) for name in ("estimate", "low", "high", "n", "method")}
    folder = store.work("evaluations", key) / "made"
    folder.mkdir(exist_ok=True)
    _write_samples(folder / SAMPLES, samples, answers, scores)
    record = {
        **record,
        "samples": len(samples),
        "metrics": found,
        "computed": plain(metrics),
        "floors": {metric: floors for metric, floors in floors_of(suite, samples).items() if metric in found},
        "about": suite.about,
    }
    return Evaluation(store.publish("evaluations", key, folder, spec, record))


def floors_of(suite: Suite, samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """The suite's floors: metric -> floor -> value."""
    try:
        return suite.floors(samples) if suite.floors else {}
    except Exception as error:  # the user's own code
        raise SuiteError(f"suite {suite.name}: its floors fail with {type(error).__name__}: {error}.") from error


def _write_samples(
    path: Path, samples: Sequence[Sample], answers: Sequence[Mapping[str, Any]], scores: Sequence[dict[str, Any]]
) -> None:
    import pyarrow
    import pyarrow.parquet

    def completion(sample: Sample, answer: Mapping[str, Any]) -> str | None:
        if "chosen" in answer and sample.choices:
            return sample.choices[answer["chosen"]]
        text = answer.get("completion")
        return None if text is None else str(text).encode("utf-8", "replace").decode()

    table = pyarrow.table(
        {
            "sample_id": [sample.id for sample in samples],
            "cluster": pyarrow.array([sample.cluster for sample in samples], pyarrow.string()),
            "prompt": [sample.prompt for sample in samples],
            "target": [sample.answer or None for sample in samples],
            "completion": pyarrow.array(
                [completion(sample, answer) for sample, answer in zip(samples, answers, strict=True)], pyarrow.string()
            ),
            "scores": [json.dumps(score) for score in scores],
        }
    )
    pyarrow.parquet.write_table(table, path, compression="zstd")
