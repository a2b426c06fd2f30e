"""A request to stop: training finishes and saves the current step, then ends; the next run resumes from there."""

from __future__ import annotations

import signal
from typing import Any

from transformers import TrainerCallback

from harness.training.shared import ranks


class StopOnSignal(TrainerCallback):
    """Stops training after SIGINT or SIGTERM, unless its last step is done."""

    def __init__(self) -> None:
        self.asked = False
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        [asked] = ranks.summed([self.asked])  # all stop after the same step
        if asked and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True
