"""A checkpoint's model card: what it is for, what it was made from, and with which settings."""

from __future__ import annotations

import json
from typing import Any

from harness.session.bench import Bench, Checkpoint
from harness.fingerprint.values import short
from harness.fingerprint.planning import PlannedStage


def card(bench: Bench, checkpoint: Checkpoint, weights: str) -> str:
    """The README.md of an exported checkpoint, in Markdown."""
    subject = checkpoint.subject
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    start = bench.planner.chain(subject)[0].spec["base"]
    if "model" in start:
        head.append(f"base_model: {start['model']}")
    lines = [
        *head,
        "---",
        "",
        f"# {checkpoint.name}",
        "",
        subject.recipe.hypothesis,
        "",
        f"- fingerprint: `{checkpoint.fingerprint}`",
        f"- base: {base_of(bench, checkpoint)}",
        f"- weights: {weights}",
        f"- seed: {subject.seed}",
    ]
    for planned in bench.planner.chain(subject):
        if planned.is_made:
            lines += ["", f"## {planned.name}", "", *_stage(bench, planned)]
    return "\n".join(lines) + "\n"


def base_of(bench: Bench, checkpoint: Checkpoint) -> str:
    """What the last stage started from, in words."""
    planned = checkpoint.planned
    if planned.parent is not None and planned.parent.is_made:
        return f"{planned.parent.name}, `{short(planned.parent.key)}`"
    base = planned.spec["base"]
    if "architecture" in base:
        return "fresh weights"
    return f"{base['model']}, revision {base['revision']}" if "model" in base else bench.place_of_model(planned)["path"]


def _stage(bench: Bench, planned: PlannedStage) -> list[str]:
    """Its fingerprint, what was counted while it was trained, and its settings."""
    artifact = bench.artifact(planned)
    lines = [f"Fingerprint `{short(planned.key)}`."]
    if artifact is not None and planned.trains:
        counted = artifact.record
        lines[0] += f" {counted['optimizer_steps']:,} optimizer steps on {counted['training_rows']:,} rows."
    settings: dict[str, Any] = {
        **planned.spec.get("settings", {}),
        **{name: planned.spec[name] for name in ("micro_batch_size", "seed") if name in planned.spec},
    }
    return [*lines, "", "```json", json.dumps(settings, indent=1), "```"]
