"""Pretraining with transformers' Trainer: from scratch with a tokenizer from the same text, or continued from a base.

Also the untrained subject: the same tokenizer and the same fresh weights, without a training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.data.sources import Row
from harness.errors import RecipeError
from harness.files import Json, read_json_lines
from harness.models.loading.vocabulary import check_ids, embeddings
from harness.recipe import PretrainSettings
from harness.training.pretraining.blocks import cut_documents, packed_blocks
from harness.training.pretraining.fresh import fresh_like, fresh_model
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.training.shared.prepared import Prepared
from harness.worker.messages import HELD_OUT, ROWS, TrainingTask


def prepare(folder: Path, task: TrainingTask) -> Prepared:
    """The trainer, ready to train; for the untrained subject the model alone."""
    if task.kind == "fresh" and task.architecture is None:
        return fresh_like(task)
    rows = read_json_lines(folder / ROWS)
    texts = [row["text"] for row in rows]
    model, tokenizer = starting_point(task, texts)
    if task.kind == "fresh":
        return Prepared(None, tokenizer, model=model, rows=rows)
    settings = task.settings
    assert isinstance(settings, PretrainSettings)
    length = _block_length(task, settings, model.config.max_position_embeddings)
    if settings.packing:
        blocks, truncated = packed_blocks(texts, tokenizer, length), 0
    else:
        blocks, truncated = cut_documents(texts, tokenizer, length)
    watched = _held_out(read_json_lines(folder / HELD_OUT), tokenizer, length)
    known = embeddings(model)
    for what, ids in [*(("block", ids) for ids in blocks), *(("held-out row", row["input_ids"]) for row in watched)]:
        check_ids(ids, known, f"{task.name}: a {what}", tokenizer)
    trainer = _trainer(folder, task, model, tokenizer, blocks)
    trainer.watch(folder, task, watched)
    return Prepared(trainer, tokenizer, rows=rows, training_rows=len(blocks), truncated_rows=truncated)


def starting_point(task: TrainingTask, texts: Sequence[str]) -> tuple[Any, Any]:
    """Model and tokenizer before the first step: new ones for the architecture, or those of the base."""
    from transformers import set_seed

    if task.architecture is not None:
        shape = task.architecture
        tokenizer = train_tokenizer(texts, shape.vocabulary_size, shape.context_length)
        set_seed(task.seed)
        return fresh_model(shape, tokenizer), tokenizer
    from harness.models.loading.load import load_model, load_tokenizer

    assert task.base is not None
    model = load_model(task.base, device=task.device, dtype="float32")
    if hasattr(model, "peft_config"):
        raise RecipeError(f"{task.name}: its base is an adapter.", "Start from the adapter's own base.")
    return model, load_tokenizer(task.base)


def _block_length(task: TrainingTask, settings: PretrainSettings, context: int) -> int:
    length = settings.block_length or context
    if length > context:
        raise RecipeError(f"{task.name}: block_length {length} exceeds the base's context of {context} tokens.")
    return length


def _trainer(folder: Path, task: TrainingTask, model: Any, tokenizer: Any, blocks: list[list[int]]) -> Any:
    from datasets import Dataset

    from harness.models.loading.vocabulary import padding
    from harness.training.shared.arguments import arguments
    from harness.training.shared.packing import Packing
    from harness.training.shared.trainers import FiniteTrainer

    return FiniteTrainer(
        model=model,
        args=arguments(folder, task, model, blocks),
        train_dataset=Dataset.from_dict({"input_ids": blocks, "labels": blocks}),
        data_collator=Packing(model, padding(tokenizer, model)),
        processing_class=tokenizer,
    )


def _held_out(rows: Sequence[Row], tokenizer: Any, length: int) -> list[Json]:
    """Each held-out row as one document, cut to the length of a block."""
    cut, _ = cut_documents([row["text"] for row in rows], tokenizer, length) if rows else ([], 0)
    return [{"id": row["id"], "input_ids": ids, "labels": ids} for row, ids in zip(rows, cut, strict=True)]
