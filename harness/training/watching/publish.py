"""The trained model -> the folder `made`: safetensors, tokenizer, log, and the record of how it came about."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from harness.environment import environment
from harness.models.tools.memory import peak_memory_bytes
from harness.training.watching.callbacks import read_log

UNPUBLISHED = ("training_args.bin",)  # pickles


def write_checkpoint(
    folder: Path,
    spec: dict[str, Any],
    trainer: Any,
    counts: dict[str, Any],
    worker_seconds: float,
    energy_joules: float | None,
) -> None:
    """Write `folder/made` whole, with `folder/record.json` beside it, written last."""
    making, made = folder / "making", folder / "made"
    for leftover in (making, made):
        shutil.rmtree(leftover, ignore_errors=True)
    making.mkdir()
    model = counts.get("model") if trainer is None else trainer.accelerator.unwrap_model(trainer.model)
    assert model is not None
    model.save_pretrained(making, safe_serialization=True)
    counts["tokenizer"].save_pretrained(making)
    adapter = making / "adapter_config.json"
    if adapter.exists():  # peft writes the path of the base here, which is no property of the weights
        config = json.loads(adapter.read_text())
        config["base_model_name_or_path"] = spec["base_name"]
        adapter.write_text(json.dumps(config, indent=2, sort_keys=True))
        (making / "README.md").unlink(missing_ok=True)
    for name in UNPUBLISHED:
        (making / name).unlink(missing_ok=True)
    log = read_log(folder / "log.jsonl") if trainer is not None else []
    (making / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    losses = folder / "held_out_losses.json"
    if losses.exists():
        shutil.copy(losses, making / losses.name)
    total = sum(p.numel() for p in model.parameters())
    trained = 0 if trainer is None else sum(p.numel() for p in model.parameters() if p.requires_grad)
    record = {
        "trainable_parameters": trained,
        "total_parameters": total,
        "training_rows": counts.get("training_rows", 0),
        "truncated_rows": counts.get("truncated_rows", 0),
        "rows_by_source": dict(Counter(row["source"] for row in counts.get("rows", ()))),
        "optimizer_steps": 0 if trainer is None else trainer.state.global_step,
        "tokens": log[-1]["tokens"] if log else 0,
        "train_seconds": log[-1]["seconds"] if log else 0.0,
        "worker_seconds": round(worker_seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(spec["device"]),
        "energy_joules": energy_joules,
        "device": spec["device"],
        "environment": environment(spec["threads"]),
    }
    making.rename(made)
    (folder / "record.json").write_text(json.dumps(record))
