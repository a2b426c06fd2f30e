"""Suite x checkpoint -> evaluation: what is asked, under which key, and how answers become a stored artifact."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, SuiteError
from harness.fingerprint import function_digest, plain
from harness.scoring.metrics import Metric, metric_from, metrics_of
from harness.store import Artifact, Store
from harness.suite import Choices, LmEval, Sample, Scores, Suite, samples_of

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
        """Samples dealt with: scored, or spared by --adaptive once the suite's gates were decided."""
        return int(self.artifact.manifest["record"]["samples"]) + self.spared

    @property
    def available(self) -> int:
        """Samples of the suite."""
        record = self.artifact.manifest["record"]
        return int(record.get("samples_available", record["samples"]))

    @property
    def spared(self) -> int:
        """Samples never asked: --adaptive stopped before."""
        return self.available - int(self.artifact.manifest["record"]["samples"])

    @property
    def largest_cluster(self) -> int:
        """Samples of the suite that belong together, at most."""
        return int(self.artifact.manifest["record"].get("largest_cluster", 1))

    @property
    def adaptive(self) -> bool:
        """Whether it was looked at while it was made, and could have been stopped early."""
        return bool(self.artifact.manifest["spec"].get("adaptive"))

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
    everything: Sequence[Sample] = (),
) -> Evaluation:
    """Score the answers and store them with the metrics' intervals; `everything` where not all was asked.

    SuiteError names the sample whose score is not finite, or whose id occurs twice.
    """
    import pyarrow
    import pyarrow.parquet

    scores = scored(suite, samples, answers)
    record = {**record, **summary_of(suite, samples, scores, everything)}
    folder = store.work("evaluations", key) / "made"
    folder.mkdir(exist_ok=True)
    rows = [{**row, "scores": json.dumps(row["scores"])} for row in sample_rows(samples, answers, scores)]
    columns = ("sample_id", "cluster", "prompt", "target", "completion", "scores")
    texts = pyarrow.schema([(name, pyarrow.string()) for name in columns])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, texts), folder / SAMPLES, compression="zstd")
    return Evaluation(store.publish("evaluations", key, folder, spec, record))


def unpublished(
    spec: dict[str, Any],
    suite: Suite,
    samples: Sequence[Sample],
    answers: Sequence[Mapping[str, Any]],
    record: dict[str, Any],
    everything: Sequence[Sample],
) -> Evaluation:
    """The answers so far as an evaluation that no store holds: what --adaptive looks at."""
    scores = scored(suite, samples, answers)
    record = {**record, **summary_of(suite, samples, scores, everything)}
    manifest = {"spec": spec, "record": record, "files": {}, "created_at": ""}
    found = Evaluation(Artifact("evaluations", "", Path(), manifest))
    found.__dict__["samples"] = sample_rows(samples, answers, scores)  # in place of a file
    return found


def summary_of(
    suite: Suite, samples: Sequence[Sample], scores: Sequence[Scores], everything: Sequence[Sample] = ()
) -> dict[str, Any]:
    """What an evaluation's record says of its scores: the metrics with their intervals, and the suite's floors."""
    metrics = metrics_of(suite.metrics, scores)
    clusters = [sample.cluster for sample in samples]
    found = {}
    for metric in metrics:
        interval = metric.interval(scores, clusters)
        found[metric.name] = {name: getattr(interval, name) for name in ("estimate", "low", "high", "n", "method")}
    floors = floors_of(suite, everything or samples)
    return {
        "samples": len(samples),
        "samples_available": len(everything or samples),
        "largest_cluster": max(
            Counter(s.cluster for s in everything or samples if s.cluster is not None).values(), default=1
        ),
        "metrics": found,
        "computed": plain(metrics),
        "floors": {metric: values for metric, values in floors.items() if metric in found},
        "about": suite.about,
    }


def sample_rows(
    samples: Sequence[Sample], answers: Sequence[Mapping[str, Any]], scores: Sequence[Scores]
) -> list[dict[str, Any]]:
    """Per sample what is stored of it, texts whole."""
    return [
        {
            "sample_id": sample.id,
            "cluster": sample.cluster,
            "prompt": sample.prompt,
            "target": sample.answer or None,
            "completion": _completion(sample, answer),
            "scores": score,
        }
        for sample, answer, score in zip(samples, answers, scores, strict=True)
    ]


def _completion(sample: Sample, answer: Mapping[str, Any]) -> str | None:
    """What the model answered; the chosen option of a multiple choice."""
    if "chosen" in answer and sample.choices:
        return sample.choices[answer["chosen"]]
    text = answer.get("completion")
    return None if text is None else str(text).encode("utf-8", "replace").decode()


def scored(suite: Suite, samples: Sequence[Sample], answers: Sequence[Mapping[str, Any]]) -> list[Scores]:
    """The scores of each answer, every number finite, every id once."""
    found: list[Scores] = []
    seen: set[str] = set()
    for sample, answer in zip(samples, answers, strict=True):
        try:
            own = suite.scorer(sample, answer)
        except HarnessError:
            raise
        except Exception as error:  # a scorer is the user's own code
            raise SuiteError(
                f"suite {suite.name}: sample {sample.id}: {suite.scorer.__name__} fails with "
                f"{type(error).__name__}: {error}."
            ) from error
        for name, score in own.items():
            values = score if isinstance(score, list | tuple) else (score,)
            if any(isinstance(value, float) and not math.isfinite(value) for value in values):
                raise SuiteError(
                    f"suite {suite.name}: sample {sample.id}: score {name!r} is {score}.",
                    "A score is a finite number, or None where it does not concern the sample: see the scorer.",
                )
        if sample.id in seen:
            raise SuiteError(
                f"suite {suite.name}: id {sample.id!r} occurs twice.", "Samples are paired by id; make it unique."
            )
        seen.add(sample.id)
        found.append(own)
    return found


def floors_of(suite: Suite, samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """The suite's floors: metric -> floor -> value."""
    try:
        return suite.floors(samples) if suite.floors else {}
    except Exception as error:  # the user's own code
        raise SuiteError(f"suite {suite.name}: its floors fail with {type(error).__name__}: {error}.") from error
