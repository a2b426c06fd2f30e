"""The training worker, from top to bottom: task, rows, tokenizer, model, training, the folder to publish."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from harness.errors import DeviceError
from harness.files import write_whole
from harness.models.tools.energy import EnergyMeter
from harness.training.shared.launch import AGAIN, RANKS_LOCK, run_together
from harness.training.shared.prepared import Prepared
from harness.training.watching.energy_note import EnergyNote
from harness.worker.child import INTERRUPTED, work_in
from harness.worker.failures import gpu_errors_explained, memory_errors_explained, says_out_of_memory
from harness.worker.messages import TASK, TrainingTask, receive
from harness.worker.places import located, store_of

MORE_MEMORY = "Use a device with more memory; `harness plan` estimates what it takes."
LESS_MEMORY = {  # by kind of stage; where neither helps, only more memory does
    "finetune": "Lower the variant's micro_batch_size= or the stage's max_length=, else it runs out again. ",
    "pretrain": "Lower the variant's micro_batch_size= or the stage's block_length=, else it runs out again. ",
}


def main(folder: Path) -> int:
    """Train in `folder`. Exit status 0 (folder/made is whole), 75 (stopped, resumable) or 1 (folder/error.json).

    Where several processes train together, this one starts them, and each comes to `main_of_rank`.
    """
    task: TrainingTask = receive(folder / TASK)

    def work() -> int:
        share = max(1, task.threads // task.processes)
        return attempt(folder, task) if task.processes == 1 else run_together(folder, task.processes, share)

    status = work_in(folder, work)
    if status == AGAIN:  # in a process of its own: in this one, what the error holds would stay in memory
        os.execv(sys.executable, [sys.executable, "-m", "harness.training", str(folder)])
    if status < 0:  # end as the process did that was ended by a signal: the system does it when memory runs out
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


def main_of_rank(folder: Path, rank: int) -> int:
    """The same as one of several processes, whose parent has the folder's lock."""
    task: TrainingTask = receive(folder / TASK)
    with FileLock(folder / RANKS_LOCK) if rank == 0 else nullcontext():
        return work_in(folder, lambda: attempt(folder, task), alone=False)


def attempt(folder: Path, task: TrainingTask) -> int:
    """Train; where a GPU's memory runs out, AGAIN if less may be enough."""
    try:
        with gpu_errors_explained(), memory_errors_explained(LESS_MEMORY.get(task.kind, "") + MORE_MEMORY):
            return train(folder, task)
    except DeviceError as error:
        return again_with_less(folder, task, error)


def again_with_less(folder: Path, task: TrainingTask, error: DeviceError) -> int:
    """AGAIN, once, where a GPU's memory ran out and recomputing activations may be enough; else raises the error."""
    from harness.training.shared.arguments import RECOMPUTES

    note = folder / RECOMPUTES
    ran_out = error.__cause__ is not None and says_out_of_memory(error.__cause__)
    if not ran_out or not task.device.startswith("cuda") or task.kind not in LESS_MEMORY or note.exists():
        raise error
    print(f"{error.problem}; training goes on with activations recomputed in the backward pass", file=sys.stderr)
    write_whole(note, error.problem)
    return AGAIN


def train(folder: Path, task: TrainingTask) -> int:
    """Train one stage, from rows to the folder `made`; the exit status."""
    started = time.perf_counter()
    from harness.training.shared import ranks

    task = of_rank(task, ranks.rank())
    if task.base is not None:
        task = replace(task, base=located(task.base, store_of(folder)))
    from transformers.utils import logging

    from harness.training.shared.start import start

    logging.disable_progress_bar()
    start(task)
    meter = EnergyMeter(task.device)
    energy = EnergyNote(folder / "energy.json") if ranks.rank() == 0 else None
    prepared = prepare(folder, task)
    trainer, finished = prepared.trainer, True
    if trainer is not None:
        from harness.training.watching.resume import latest_complete

        ranks.draw_apart(task.seed)
        trainer.train(resume_from_checkpoint=latest_complete(folder / "trainer"))
        finished = trainer.state.global_step >= trainer.state.max_steps
    joules = ranks.summed_if_known(meter.joules()) if task.device.startswith("cuda") else meter.joules()
    if energy is None:
        return 0 if finished else INTERRUPTED
    joules = energy.add(joules)
    if not finished:
        print("stopped on request; the next run continues from here", file=sys.stderr)
        return INTERRUPTED

    from harness.training.shared.publish import write_checkpoint

    write_checkpoint(folder, task, prepared, time.perf_counter() - started, joules)
    return 0


def of_rank(task: TrainingTask, rank: int) -> TrainingTask:
    """The task as one of its processes has it: a GPU of its own, or its share of the threads."""
    if task.processes == 1:
        return task
    if task.device.startswith("cuda"):
        return replace(task, device=f"cuda:{rank}")
    return replace(task, threads=max(1, task.threads // task.processes))


def prepare(folder: Path, task: TrainingTask) -> Prepared:
    """The trainer, ready to train; for what takes no training step, the model alone."""
    if task.kind == "import":
        from harness.training.importing import gguf

        return gguf.prepare(task)
    if task.kind == "finetune":
        from harness.training.finetuning import finetune

        return finetune.prepare(folder, task)
    from harness.training.pretraining import pretrain

    return pretrain.prepare(folder, task)


if __name__ == "__main__":
    where, rank = Path(sys.argv[1]), os.environ.get("RANK")
    sys.exit(main(where) if rank is None else main_of_rank(where, int(rank)))
