"""Artifacts of the store -> rows of the warehouse's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable

from harness.files import Json
from harness.store import Artifact


def checkpoint_row(artifact: Artifact) -> Json:
    record = artifact.record
    names = (
        "trainable_parameters", "total_parameters", "training_rows", "truncated_rows", "optimizer_steps", "tokens",
        "train_seconds", "peak_memory_bytes", "energy_joules", "why", "device",
    )  # fmt: skip
    return {
        "fingerprint": artifact.key,
        "stage": artifact.spec["stage"],
        "parent": artifact.spec["base"].get("checkpoint"),
        "spec": json.dumps(artifact.spec),
        **{name: record.get(name) for name in names},
        "rows_by_source": json.dumps(record.get("rows_by_source", {})),
        "environment": json.dumps(record["environment"]),
        "created_at": utc(artifact),
    }


def log_rows(artifact: Artifact) -> Iterable[Json]:
    """One row per optimizer step, with the held-out loss of that step if there is one."""
    by_step: dict[int, Json] = {}
    path = artifact.path / "training_log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        row = by_step.setdefault(entry["step"], {"fingerprint": artifact.key, "step": entry["step"]})
        row.update(
            {
                name: entry[name]
                for name in ("loss", "eval_loss", "learning_rate", "grad_norm", "tokens")
                if name in entry
            }
        )
    return by_step.values()


def evaluation_row(artifact: Artifact) -> Json:
    record = artifact.record
    names = (
        "subject", "scale", "prompt_digest", "samples", "seconds", "tokens", "peak_memory_bytes", "energy_joules", "device",
        "dtype",
    )  # fmt: skip
    return {
        "evaluation": artifact.key,
        "fingerprint": artifact.spec["checkpoint"],
        "suite": artifact.spec["suite"]["name"],
        "system_prompt": artifact.spec["suite"]["system_prompt"],
        "spec": json.dumps(artifact.spec),
        **{name: record.get(name) for name in names},
        "samples_available": record.get("samples_available", record["samples"]),
        "sample_limit": artifact.spec.get("limit"),
        "environment": json.dumps(record["environment"]),
        "created_at": utc(artifact),
    }


def metric_rows(artifact: Artifact) -> Iterable[Json]:
    for name, metric in artifact.record["metrics"].items():
        yield {"evaluation": artifact.key, "metric": name, **metric}


def floor_rows(artifact: Artifact) -> Iterable[Json]:
    for metric, floors in artifact.record.get("floors", {}).items():
        for floor, value in floors.items():
            yield {
                "suite": artifact.spec["suite"]["name"],
                "scale": artifact.record["scale"],
                "metric": metric,
                "floor": floor,
                "value": value,
            }


def utc(artifact: Artifact) -> str:
    return artifact.created_at.removesuffix("+00:00")
