"""What is watched while training: progress for people, the loss on held-out rows, and requests to stop."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from harness.training.shared.packing import target_losses


class Progress(TrainerCallback):
    """Appends one JSON line per optimizer step to `log.jsonl`; what a resumed run repeats is cut off first."""

    def __init__(self, folder: Path, trainer: Any) -> None:
        self.path, self.trainer = folder / "log.jsonl", trainer
        self.seconds_before = 0.0
        self.steps_here = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        kept = [line for line in read_log(self.path) if line["step"] <= state.global_step]
        if state.global_step == 0:
            kept = []
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        last = kept[-1] if kept else {}
        self.trainer.tokens_seen = last.get("tokens", 0)
        self.seconds_before = last.get("seconds", 0.0)
        self.started = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if not logs or not ({"loss", "eval_loss"} & logs.keys()):
            return
        seconds = time.perf_counter() - self.started
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            **{name: logs[name] for name in ("loss", "eval_loss", "learning_rate", "grad_norm") if name in logs},
            "tokens": self.trainer.tokens_seen,
            "seconds": round(self.seconds_before + seconds, 3),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a line cut by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().split("\n"):
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


class HeldOutLoss(TrainerCallback):
    """Mean loss per target token on held-out rows: before step 1, on the way, and at the end.

    The first and the last are kept row by row in `held_out_losses.json`, so that their difference has an
    interval. No random number is drawn: training goes on as if nothing had been measured.
    """

    def __init__(self, folder: Path, trainer: Any, rows: list[dict[str, Any]], eval_steps: int | None) -> None:
        self.path, self.trainer, self.rows = folder / "held_out_losses.json", trainer, rows
        self.eval_steps = eval_steps  # between looks; None: a quarter of the training

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.rows and state.global_step == 0:
            self._measure("before")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        every = self.eval_steps or max(1, state.max_steps // 4)
        if not self.rows:
            return
        if state.global_step == state.max_steps:
            self._measure("after")
        elif state.global_step % every == 0:
            self._measure(None)

    def _measure(self, when: str | None) -> None:
        batch_size = self.trainer.args.per_device_train_batch_size
        losses = row_losses(self.trainer.model, self.rows, self.trainer.data_collator, batch_size)
        tokens = sum(count for _, count in losses)
        should_log = self.trainer.control.should_log  # logging clears it, and the step's own line would be lost
        self.trainer.log({"eval_loss": sum(loss for loss, _ in losses) / tokens})
        self.trainer.control.should_log = should_log
        if when is None:
            return
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        kept[when] = {row["id"]: loss / count for row, (loss, count) in zip(self.rows, losses, strict=True)}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(kept))
        temporary.replace(self.path)


@torch.no_grad()
def row_losses(model: Any, rows: list[dict[str, Any]], pack: Any, batch_size: int) -> list[tuple[float, int]]:
    """Per row the summed negative log-likelihood of its target tokens, in nats, and their number."""
    training = model.training
    model.eval()
    found: list[tuple[float, int]] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        packed = {name: column.to(model.device) for name, column in pack(batch).items()}
        losses, whose = target_losses(model, model.get_output_embeddings(), packed)
        sums = losses.new_zeros(len(batch)).index_add_(0, whose, losses)
        found += list(zip(sums.tolist(), torch.bincount(whose, minlength=len(batch)).tolist(), strict=True))
    model.train(training)
    return found


class StopOnSignal(TrainerCallback):
    """At SIGINT or SIGTERM: finish the step, save it, stop."""

    def __init__(self) -> None:
        self.asked = False
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.asked and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True
