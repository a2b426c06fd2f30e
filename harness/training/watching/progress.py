"""Progress for people to read: one JSON line per optimizer step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from harness.files import read_json_lines
from harness.training.shared import ranks

LOG = "log.jsonl"
LOGGED = ("loss", "eval_loss", "learning_rate", "grad_norm")


class Progress(TrainerCallback):
    """Appends to `log.jsonl`. A resumed run first removes the lines of steps that it repeats."""

    def __init__(self, folder: Path, trainer: Any) -> None:
        self.path, self.trainer = folder / LOG, trainer
        self.seconds_before = 0.0
        trainer.tokens_seen = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if ranks.rank():
            return
        # 0 <: a run that starts at step 0 repeats even what was logged before the first step
        kept = [line for line in read_json_lines(self.path, skip_broken=True) if 0 < state.global_step >= line["step"]]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        last = kept[-1] if kept else {}
        self.trainer.tokens_seen = last.get("tokens", 0)
        self.seconds_before = last.get("seconds", 0.0)
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        [tokens] = ranks.summed([self.trainer.tokens_of_step])
        self.trainer.tokens_of_step = 0
        self.trainer.tokens_seen += int(tokens)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if ranks.rank() or not logs or not ({"loss", "eval_loss"} & logs.keys()):
            return
        seconds = time.perf_counter() - self.started
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            **{name: logs[name] for name in LOGGED if name in logs},
            "tokens": self.trainer.tokens_seen,
            "seconds": round(self.seconds_before + seconds, 3),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
