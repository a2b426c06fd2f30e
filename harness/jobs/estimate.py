"""What training would take: rows, optimizer steps, weights, memory. `harness plan`, without a download."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from harness.session.bench import Bench
from harness.data.reading.rows import load
from harness.data.sources import Mix, Scale
from harness.errors import DataError, HarnessError
from harness.fingerprint.planning import PlannedStage, Planner
from harness.recipe import Architecture, Finetune, Fresh, Pretrain, Subject

LENGTH_GUESS = 512  # tokens of a row in a memory estimate, where max_length allows more


def plan(bench: Bench, subjects: list[Subject]) -> list[dict[str, Any]]:
    """One row per subject, with one entry per stage of its own; unknown numbers are None."""
    bench.planner = Planner(bench.access, bench.store.digests, bench.root, without_data=True)
    return [_subject(bench, subject) for subject in subjects]


def _subject(bench: Bench, subject: Subject) -> dict[str, Any]:
    architecture = architecture_of(subject)
    own = [p for p in bench.planner.chain(subject) if p.subject.id == subject.id and p.is_made]
    stages = [_stage(bench, subject, planned, architecture) for planned in own if planned.trains]
    trainable, total = _weights(architecture, subject.stages[-1] if subject.stages else None)
    return {
        "id": subject.id,
        "rows": _sum(stage["rows"] for stage in stages),
        "training_rows": _sum(stage["training_rows"] for stage in stages),
        "optimizer_steps": _sum(stage["optimizer_steps"] for stage in stages),
        "trainable_parameters": trainable if subject.stages else 0,
        "total_parameters": total,
        "memory_bytes": max((stage["memory_bytes"] or 0 for stage in stages), default=0) or None,
        "cached": all(bench.is_there(planned) for planned in bench.planner.chain(subject)),
        "fingerprint": bench.planner.fingerprint(subject),
        "stages": stages,
    }


def _stage(bench: Bench, subject: Subject, planned: PlannedStage, architecture: Architecture | None) -> dict[str, Any]:
    stage = planned.stage
    assert stage is not None
    rows = _rows(bench, planned)
    blocks = isinstance(stage, Pretrain) and stage.packing  # their number shows once the text is tokenized
    training = None if blocks or rows is None else rows - _held_out_of(stage.data, subject.scale)
    stored = bench.artifact(planned)
    if stored is not None:
        training = stored.record["training_rows"]
    steps = None if training is None else math.ceil(math.ceil(training / stage.effective_batch_size) * stage.epochs)
    trainable, total = _weights(architecture, stage)
    return {
        "stage": planned.kind,
        "rows": rows,
        "training_rows": training,
        "optimizer_steps": steps,
        "trainable_parameters": trainable,
        "total_parameters": total,
        "memory_bytes": _memory(subject, stage, architecture, trainable, total),
        "cached": stored is not None,
        "fingerprint": planned.key,
    }


def _rows(bench: Bench, planned: PlannedStage) -> int | None:
    """All rows, those that the mix's own split holds out among them: as declared, else as read.

    None where they lie on the hub and their number is not declared.
    """
    assert planned.stage is not None
    counts = [part.count[planned.subject.scale] for part in planned.stage.data.parts]
    if None not in counts:
        return sum(count for count in counts if count)
    if planned.subject.scale == "full":
        return None
    access = replace(bench.access, scale=planned.subject.scale)
    try:
        read = len(load(planned.stage.data, access).rows)
    except DataError:
        return None
    return read + _held_out_of(planned.stage.data, planned.subject.scale)


def _held_out_of(data: Mix, scale: Scale) -> int:
    """Rows of a mix that its own split keeps out of training."""
    return (data.divided.count[scale] or 0) if data.divided is not None else 0


def architecture_of(subject: Subject) -> Architecture | None:
    """The shape of a subject's model, where it is declared or published."""
    base = subject.variant.base
    if isinstance(base, Fresh):
        base = base.like
    if isinstance(base, Subject):
        return architecture_of(base)
    if isinstance(base, Architecture):
        return base
    from harness.jobs.published import PUBLISHED

    return PUBLISHED.get(base)


def _weights(architecture: Architecture | None, stage: Any) -> tuple[int | None, int | None]:
    if architecture is None:
        return None, None
    try:
        from harness.models.tools.weights import parameters
    except ImportError as error:
        raise HarnessError(
            f"plan counts weights with {error.name}, which is not installed.", "pip install 'harness[train]'"
        ) from None

    adapter = stage.adapter if isinstance(stage, Finetune) else None
    return parameters(architecture, adapter.rank if adapter else None)


def _memory(
    subject: Subject, stage: Any, architecture: Architecture | None, trainable: int | None, total: int | None
) -> int | None:
    """A rough sum in bytes for one GPU: weights, gradients and Adam's moments, activations, logits.

    Full training holds float32 weights, gradients and two moments (16 bytes a weight); an adapter's base is
    bfloat16 (2 bytes), or 0.56 bytes in NF4. Activations: 34 bytes x tokens x width a layer without
    checkpointing (Korthikanti et al. 2022, arXiv:2205.05198, without its attention term), logits 3 float32 copies.
    """
    if architecture is None or trainable is None or total is None:
        return None
    adapter = isinstance(stage, Finetune) and stage.adapter is not None
    per_weight = 0.56 if adapter and stage.quantization else 2.0
    weights = total * per_weight if adapter else 0
    longest = stage.max_length if isinstance(stage, Finetune) else stage.block_length or architecture.context_length
    tokens = subject.micro_batch_size(stage) * min(longest, architecture.context_length, LENGTH_GUESS)
    activations = 34 * tokens * architecture.hidden_size * architecture.layers
    logits = 12 * tokens * architecture.vocabulary_size
    return int(weights + 16 * trainable + activations + logits)


def _sum(values: Any) -> int | None:
    found = list(values)
    return None if any(value is None for value in found) else sum(found)
