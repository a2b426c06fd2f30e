"""Fine-tuning with TRL's SFTTrainer on the assistant's tokens, of all weights or of a LoRA adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from harness.files import Json, read_json_lines
from harness.models.loading.load import load_tokenizer
from harness.models.loading.vocabulary import check_ids, embeddings, padding, stop_ids
from harness.recipe import FinetuneSettings
from harness.training.finetuning.base import load_base
from harness.training.finetuning.conversations import check_template, conversation_tokens, endless
from harness.training.shared.arguments import arguments
from harness.training.shared.packing import Packing
from harness.training.shared.prepared import Prepared
from harness.training.shared.trainers import LearnsFromTargets, StopsAtNonFinite
from harness.worker.messages import HELD_OUT, ROWS, TrainingTask

PINNED: Json = {  # all defaults of TRL that can change the result, written out; the rows are already tokenized
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "max_length": None,
    "truncation_mode": "keep_start",
    "packing": False,
    "padding_free": False,
    "assistant_only_loss": False,  # the labels do that
    "completion_only_loss": None,
    "loss_type": "nll",
    "activation_offloading": False,
}


class FiniteSFTTrainer(StopsAtNonFinite, LearnsFromTargets, SFTTrainer):
    """TRL's SFTTrainer on packed rows; stops at the first NaN or inf."""


def prepare(folder: Path, task: TrainingTask) -> Prepared:
    """The SFTTrainer on the rows in the folder, ready to train."""
    settings = task.settings
    assert isinstance(settings, FinetuneSettings)
    assert task.base is not None
    tokenizer = load_tokenizer(task.base)
    check_template(tokenizer, settings.template, task.name)
    rows, kept = read_json_lines(folder / ROWS), read_json_lines(folder / HELD_OUT)
    encoded = conversation_tokens(rows, tokenizer, settings.max_length)
    watched = conversation_tokens(kept, tokenizer, settings.max_length).rows
    model = load_base(task, settings)
    known = embeddings(model)
    for row, one in zip([*rows, *kept], [*encoded.rows, *watched], strict=True):
        check_ids(one["input_ids"], known, str(row["origin"]), tokenizer)
    token_ids = [row["input_ids"] for row in encoded.rows]
    trained = [(weight, weight.data) for weight in model.parameters() if weight.requires_grad]
    trainer: Any = FiniteSFTTrainer(
        model=model,
        args=arguments(folder, task, model, token_ids, SFTConfig, **PINNED),
        train_dataset=Dataset.from_list(encoded.rows),
        data_collator=Packing(model, padding(tokenizer, model)),
        processing_class=tokenizer,
    )
    for weight, data in trained:  # TRL rounds adapters over 4-bit weights to bfloat16, where small steps are lost
        weight.data = data
    trainer.watch(folder, task, [{"id": row["id"], **tokens} for row, tokens in zip(kept, watched, strict=True)])
    return Prepared(
        trainer,
        tokenizer,
        rows=rows,
        training_rows=len(encoded.rows),
        truncated_rows=encoded.cut,
        last_answer_rows=encoded.last_only,
        control_token_rows=encoded.quoting,
        endless_rows=endless(encoded.rows, stop_ids(model, tokenizer), settings.max_length),
    )
