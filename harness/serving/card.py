"""A checkpoint's model card: what it is for, what it was made from and with which settings, and what it scored.

Its head is the Hub's metadata (https://huggingface.co/docs/hub/model-cards), with scores as a model-index.
"""

from __future__ import annotations

import json
from typing import Any

from harness.evaluation.findings import Findings
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.context import model_place
from harness.serving.trained import Trained
from harness.worker.places import name_of


def card(model: Trained, weights: str, findings: Findings | None = None) -> str:
    """The README.md of an exported checkpoint, in Markdown; `weights` says in words what they are."""
    subject, chain = model.checkpoint.subject, model.results.keys.chain(model.checkpoint.subject)
    start = chain[0].spec["base"]
    lines = [
        "---",
        _head(model.name, start.get("model"), findings),
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
    if findings is not None:
        lines += _found(model, findings)
    for planned in chain:
        if planned.is_made:
            lines += ["", f"## {planned.name}", "", *_stage(model, planned)]
    return "\n".join(lines) + "\n"


def _head(name: str, base: str | None, findings: Findings | None) -> str:
    """The Hub's metadata as YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    scored: dict[str, Any] = {}
    if findings is not None and findings.scores:
        results = [
            EvalResult(
                task_type="text-generation",
                dataset_type=one.data,
                dataset_name=one.suite,
                metric_type=one.metric,
                metric_value=round(one.value, 6),
                metric_args=None if one.low is None else {"low": round(one.low, 6), "high": round(one.high or 0.0, 6), "samples": one.n},
            )
            for one in findings.scores
        ]  # fmt: skip
        scored = {"model_name": name, "eval_results": results}
    data = ModelCardData(
        library_name="transformers", pipeline_tag="text-generation", base_model=base, tags=["fine-tuned"], **scored
    )
    return data.to_yaml().rstrip()


def _found(model: Trained, findings: Findings) -> list[str]:
    """Scores and verdicts as a reader of the card meets them."""
    made = model.checkpoint.artifact
    where = f", trained on {made.record['device']}" if made is not None and made.record.get("device") else ""
    lines = [
        "",
        "## What it scored",
        "",
        f"Measured of the checkpoint as it was trained{where}, before this export; intervals at 95 %.",
    ]
    lines += ["", "| suite | metric | score | interval | samples |", "|---|---|--:|--:|--:|"]
    for one in findings.scores:
        interval = "–" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
        lines.append(f"| {one.suite} | {one.metric} | {one.value:.3f} | {interval} | {one.n or '–'} |")
    if findings.outlook:
        lines += ["", "## What it claims", "", f"By its own claims: **{findings.outlook}**.", ""]
        lines += [f"- {verdict}: {words}" for verdict, words in findings.claims]
    return lines


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
    if "gguf" in base:
        return f"a GGUF file, SHA-256 `{base['gguf']}`"
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
