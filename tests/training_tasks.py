"""Training tasks in folders, as a session writes them, and the training worker over one of them."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from harness import Architecture, Lora
from harness.data.reading.rows import EMBEDDED
from harness.files import read_json_lines, sha256, write_json_lines
from harness.recipe import FinetuneSettings, PretrainSettings
from harness.worker.messages import HELD_OUT, ROWS, TASK, TrainingTask, send
from harness.worker.places import Place
from tests.projects import environment

ARCHITECTURE = Architecture(
    hidden_size=32, layers=2, heads=2, key_value_heads=2, intermediate_size=64, vocabulary_size=300, context_length=64
)
SETTINGS = PretrainSettings(
    learning_rate=5e-3, min_learning_rate=5e-4, warmup_steps=3, epochs=2, effective_batch_size=4
)
ADAPTED = FinetuneSettings(
    learning_rate=5e-3, min_learning_rate=5e-4, warmup_steps=3, epochs=2, effective_batch_size=4, weight_decay=0.1,
    betas=(0.9, 0.95), adapter=Lora(rank=4, alpha=8, dropout=0.1), max_length=160,
)  # fmt: skip


def corpus(name: str, count: int) -> list[dict]:
    return read_json_lines(EMBEDDED / f"{name}.jsonl")[:count]


def conversation(prompt: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def write_task(
    store: Path, key: str, settings: PretrainSettings | FinetuneSettings | None, base: Place | None = None, **more
) -> Path:
    """The folder in the store where the checkpoint of that key is made, with rows and the task."""
    folder = store / "checkpoints" / f"{key}.partial"
    folder.mkdir(parents=True)
    if isinstance(settings, FinetuneSettings):
        kind, rows = "finetune", [conversation(r["instruction"], r["output"]) for r in corpus("instructions", 40)]
    else:
        kind, rows = "pretrain" if settings else "fresh", [{"text": row["text"]} for row in corpus("stories", 12)]
    rows = [{**row, "id": str(i), "source": "t", "origin": f"t:{i}"} for i, row in enumerate(rows)]
    write_json_lines(folder / ROWS, rows)
    write_json_lines(folder / HELD_OUT, rows[:4])
    task = TrainingTask(
        makes=key, name="test", kind=kind, architecture=None if base else ARCHITECTURE, base=base, base_name="base",
        settings=settings, micro_batch_size=2, save_steps=4,
    )  # fmt: skip
    send(folder / TASK, replace(task, **more))
    return folder


def start(folder: Path) -> subprocess.Popen:
    """The training worker over the folder."""
    with (folder / "worker.log").open("ab") as log:
        command = [sys.executable, "-m", "harness.training", str(folder)]
        return subprocess.Popen(command, env=environment(), stdout=log, stderr=log)


def finish(folder: Path) -> int:
    """Exit status of the worker, which nobody disturbs."""
    return start(folder).wait(timeout=300)


def log_of(folder: Path) -> str:
    return (folder / "worker.log").read_text()


def weights(folder: Path) -> dict[str, str]:
    """Digests of the weights that were made."""
    return {path.name: sha256(path) for path in (folder / "made").glob("*.safetensors")}


def step_reached(folder: Path) -> int:
    log = folder / "log.jsonl"
    lines = [line for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def kill_at_step(folder: Path, step: int, how: int = signal.SIGKILL) -> int:
    """Start the worker, send the signal once it has passed the step; its exit status."""
    process = start(folder)
    deadline = time.monotonic() + 240
    while process.poll() is None and step_reached(folder) < step and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(how)
    return process.wait(timeout=120)
