"""The trained model -> the folder `made`: safetensors, tokenizer, log; and the record of its training."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from harness.environment import environment
from harness.files import Json, read_json_lines, write_json_lines, write_whole
from harness.models.tools.memory import peak_memory_bytes
from harness.training.shared.held_out import LOSSES
from harness.training.shared.prepared import Prepared
from harness.training.watching.progress import LOG
from harness.worker.messages import RECORD, TrainingTask

UNPUBLISHED = ("training_args.bin",)  # pickles


def write_checkpoint(
    folder: Path, task: TrainingTask, prepared: Prepared, worker_seconds: float, energy_joules: float | None
) -> None:
    """Write `folder/made`, under another name until it is complete; then `folder/record.json` beside it."""
    making, made = folder / "making", folder / "made"
    for leftover in (making, made):
        shutil.rmtree(leftover, ignore_errors=True)
    making.mkdir()
    trainer = prepared.trainer
    model = prepared.model if trainer is None else trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(making, safe_serialization=True)
    prepared.tokenizer.save_pretrained(making)
    _clean_adapter(making, task.base_name)
    for name in UNPUBLISHED:
        (making / name).unlink(missing_ok=True)
    log = read_json_lines(folder / LOG, skip_broken=True) if trainer is not None else []
    write_json_lines(making / "training_log.jsonl", log)
    if (folder / LOSSES).exists():
        shutil.copy(folder / LOSSES, making / LOSSES)
    record = {
        **_counts(model, prepared, log),
        "worker_seconds": round(worker_seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(task.device),
        "energy_joules": energy_joules,
        "recomputes": trainer is not None and bool(trainer.args.gradient_checkpointing),
        "device": task.device,
        **({"processes": task.processes} if task.processes > 1 else {}),
        "environment": environment(task.threads),
    }
    making.rename(made)
    write_whole(folder / RECORD, json.dumps(record))


def _clean_adapter(making: Path, base_name: str) -> None:
    """Write the base's name into an adapter's configuration, in place of its path on this machine, which peft writes.

    peft's README.md has the path too, and is removed.
    """
    adapter = making / "adapter_config.json"
    if adapter.exists():
        config = json.loads(adapter.read_text())
        config["base_model_name_or_path"] = base_name
        adapter.write_text(json.dumps(config, indent=2, sort_keys=True))
        (making / "README.md").unlink(missing_ok=True)


def _counts(model: Any, prepared: Prepared, log: list[Json]) -> Json:
    """The record's numbers of weights, rows, steps, tokens and seconds."""
    weights, trainer = list(model.parameters()), prepared.trainer
    return {
        "trainable_parameters": sum(w.numel() for w in weights if w.requires_grad) if trainer is not None else 0,
        "total_parameters": sum(w.numel() for w in weights),
        "training_rows": prepared.training_rows,
        "truncated_rows": prepared.truncated_rows,
        "last_answer_rows": prepared.last_answer_rows,
        "control_token_rows": prepared.control_token_rows,
        "endless_rows": prepared.endless_rows,
        "rows_by_source": dict(Counter(row["source"] for row in prepared.rows)),
        "optimizer_steps": 0 if trainer is None else trainer.state.global_step,
        "tokens": log[-1]["tokens"] if log else 0,
        "train_seconds": log[-1]["seconds"] if log else 0.0,
    }
