"""The training worker. Reads top to bottom: spec, rows, tokenizer, model, training, the folder to publish."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.tools.energy import EnergyMeter
from harness.jobs.process import INTERRUPTED, settle


def main(folder: Path) -> int:
    """Train in `folder`; exit status 0 (folder/made is whole), 75 (stopped, resumable) or 1 (folder/error.json)."""
    lock = settle(folder)
    try:
        spec = json.loads((folder / "spec.json").read_text())
        return train(folder, spec)
    except HarnessError as error:
        told = {"kind": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
        (folder / "error.json").write_text(json.dumps(told))
        print(error.told(), file=sys.stderr)
        return 1
    finally:
        lock.release()


def train(folder: Path, spec: dict[str, Any]) -> int:
    """One stage, from rows to the folder `made`."""
    started = time.perf_counter()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import torch

    torch.set_num_threads(spec["threads"])  # the sum of a matrix product depends on it
    from transformers import set_seed
    from transformers.utils import logging

    logging.disable_progress_bar()
    set_seed(spec["seed"])
    meter = EnergyMeter(spec["device"])
    if spec["stage"] == "finetune":
        from harness.training.finetuning.finetune import prepare
    else:
        from harness.training.pretraining.pretrain import prepare
    trainer, counts = prepare(folder, spec)

    finished = True
    if trainer is not None:
        from harness.training.watching.resume import latest_complete

        trainer.train(resume_from_checkpoint=latest_complete(folder / "trainer"))
        finished = trainer.state.global_step >= trainer.state.max_steps
    joules = spent(folder / "energy.json", meter.joules())
    if not finished:
        print("stopped on request; the next run continues from here", file=sys.stderr)
        return INTERRUPTED

    from harness.training.watching.publish import write_checkpoint

    write_checkpoint(folder, spec, trainer, counts, time.perf_counter() - started, joules)
    return 0


def spent(note: Path, joules: float | None) -> float | None:
    """Joules with those of the parts of this training that were stopped before; None where any part's are unknown."""
    earlier = json.loads(note.read_text()) if note.exists() else 0.0
    total = None if joules is None or earlier is None else earlier + joules
    note.write_text(json.dumps(total))
    return total


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
