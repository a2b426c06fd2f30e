"""A checkpoint's model card: what it is for, what it was made from, and with which settings."""

from __future__ import annotations

import json

from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.context import model_place
from harness.serving.trained import Trained
from harness.worker.places import name_of


def card(model: Trained, weights: str) -> str:
    """The README.md of an exported checkpoint, in Markdown; `weights` says in words what they are."""
    subject, chain = model.checkpoint.subject, model.results.keys.chain(model.checkpoint.subject)
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    start = chain[0].spec["base"]
    if "model" in start:
        head.append(f"base_model: {start['model']}")
    lines = [
        *head,
        "---",
        "",
        f"# {model.name}",
        "",
        subject.recipe.hypothesis,
        "",
        f"- fingerprint: `{model.checkpoint.fingerprint}`",
        f"- base: {base_of(model)}",
        f"- weights: {weights}",
        f"- seed: {subject.seed}",
    ]
    for planned in chain:
        if planned.is_made:
            lines += ["", f"## {planned.name}", "", *_stage(model, planned)]
    return "\n".join(lines) + "\n"


def base_of(model: Trained) -> str:
    """What the last stage started from, in words."""
    planned = model.checkpoint.planned
    if planned.parent is not None and planned.parent.is_made:
        return f"{planned.parent.name}, `{planned.parent.short}`"
    base = planned.spec["base"]
    if "architecture" in base:
        return "fresh weights"
    if "model" in base:
        return f"{base['model']}, revision {base['revision']}"
    return name_of(model_place(planned, model.results.keys.folders))


def _stage(model: Trained, planned: PlannedStage) -> list[str]:
    """Its fingerprint, what was counted while it was trained, and its settings."""
    artifact = model.results.artifact(planned)
    lines = [f"Fingerprint `{planned.short}`."]
    if artifact is not None and planned.trains:
        counted = artifact.record
        lines[0] += f" {counted['optimizer_steps']:,} optimizer steps on {counted['training_rows']:,} rows."
    settings = {
        **planned.spec.get("settings", {}),
        **{name: planned.spec[name] for name in ("micro_batch_size", "seed") if name in planned.spec},
    }
    return [*lines, "", "```json", json.dumps(settings, indent=1), "```"]
