"""What training would take: rows, optimizer steps, weights, memory. `harness plan`, without a download."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.data.reading.rows import load
from harness.data.sources import Mix, Scale
from harness.errors import DataError
from harness.evaluation import StoredResults
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.published import PUBLISHED
from harness.recipe import Architecture, Endpoint, Finetune, Fresh, Gguf, Pretrain, Stage, Subject
from harness.worker.sizes import parameters, training_memory

LENGTH_GUESS = 512  # tokens of a row in a memory estimate, where max_length allows more


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What one stage takes; None for what is not known beforehand."""

    stage: str
    rows: int | None  # including held-out rows
    training_rows: int | None
    optimizer_steps: int | None
    trainable_parameters: int | None
    total_parameters: int | None
    memory_bytes: int | None
    cached: bool
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class VariantPlan:
    """What one variant takes: its stages, and their sums."""

    id: str
    rows: int | None
    training_rows: int | None
    optimizer_steps: int | None
    trainable_parameters: int | None
    total_parameters: int | None
    memory_bytes: int | None
    cached: bool
    fingerprint: str
    stages: tuple[StagePlan, ...]


def plan(results: StoredResults, subjects: Iterable[Subject]) -> list[VariantPlan]:
    """One entry per subject. `results` may be without data (see Keys.without_data): a plan needs none."""
    return [_variant(results, subject) for subject in subjects]


def _variant(results: StoredResults, subject: Subject) -> VariantPlan:
    architecture, chain = architecture_of(subject), results.keys.chain(subject)
    own = [planned for planned in chain if planned.subject.id == subject.id and planned.trains]
    stages = tuple(_stage(results, subject, planned, architecture) for planned in own)
    trainable, total = _weights(architecture, subject.stages[-1] if subject.stages else None)
    return VariantPlan(
        id=subject.id,
        rows=_sum(stage.rows for stage in stages),
        training_rows=_sum(stage.training_rows for stage in stages),
        optimizer_steps=_sum(stage.optimizer_steps for stage in stages),
        trainable_parameters=trainable if subject.stages else 0,
        total_parameters=total,
        memory_bytes=max((stage.memory_bytes or 0 for stage in stages), default=0) or None,
        cached=all(results.is_there(planned) for planned in chain),
        fingerprint=chain[-1].key,
        stages=stages,
    )


def _stage(
    results: StoredResults, subject: Subject, planned: PlannedStage, architecture: Architecture | None
) -> StagePlan:
    stage = planned.stage
    assert stage is not None
    rows = _rows(results, planned)
    blocks = isinstance(stage, Pretrain) and stage.packing  # their number is known once the text is tokenized
    training = None if blocks or rows is None else rows - _held_out_of(stage.data, subject.scale)
    stored = results.artifact(planned)
    if stored is not None:
        training = int(stored.record["training_rows"])
    steps = None if training is None else math.ceil(math.ceil(training / stage.effective_batch_size) * stage.epochs)
    trainable, total = _weights(architecture, stage)
    return StagePlan(
        stage=planned.kind,
        rows=rows,
        training_rows=training,
        optimizer_steps=steps,
        trainable_parameters=trainable,
        total_parameters=total,
        memory_bytes=_memory(subject, stage, architecture),
        cached=stored is not None,
        fingerprint=planned.key,
    )


def _rows(results: StoredResults, planned: PlannedStage) -> int | None:
    """All rows, including those that the mix's own split holds out: the declared number, or else counted.

    None where the rows are on the hub and their number is not declared.
    """
    assert planned.stage is not None
    declared = planned.stage.data.declared_rows(planned.subject.scale)
    if declared is not None:
        return declared + _held_out_of(planned.stage.data, planned.subject.scale)
    if planned.subject.scale == "full":
        return None
    access = replace(results.keys.access, scale=planned.subject.scale)
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
    if isinstance(base, Endpoint):
        return None
    return PUBLISHED.get((base.sha256 or "") if isinstance(base, Gguf) else base)


def _weights(architecture: Architecture | None, stage: Stage | None) -> tuple[int | None, int | None]:
    """(trainable, all) weights of a stage."""
    if architecture is None:
        return None, None
    adapter = stage.adapter if isinstance(stage, Finetune) else None
    return parameters(architecture, adapter)


def _memory(subject: Subject, stage: Stage, architecture: Architecture | None) -> int | None:
    """Bytes that the stage takes on one GPU that computes bfloat16, or None where the model's shape is not known."""
    if architecture is None:
        return None
    finetune = stage if isinstance(stage, Finetune) else None
    adapter = finetune.adapter if finetune else None
    longest = stage.max_length if isinstance(stage, Finetune) else stage.block_length or architecture.context_length
    tokens = subject.micro_batch_size(stage) * min(longest, architecture.context_length, LENGTH_GUESS)
    nf4 = finetune is not None and finetune.quantization is not None
    narrow = stage.precision != "float32"
    return training_memory(
        architecture, tokens, adapter=adapter, nf4=nf4, narrow=narrow, optimizer=stage.optimizer
    ).total


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)
