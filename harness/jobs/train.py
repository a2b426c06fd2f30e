"""One training job: rows and spec into a folder, a worker over it, a checkpoint out of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.session.bench import Bench
from harness.data.reading.formats import row_text
from harness.data.reading.rows import Loaded, load
from harness.jobs.devices import threads
from harness.errors import DataError
from harness.jobs.job import Job, Progress
from harness.fingerprint.planning import PlannedStage
from harness.store.artifacts import told_when_full
from harness.jobs.process import device_inside


def read_rows(bench: Bench, planned: PlannedStage) -> tuple[Loaded, Loaded | None]:
    """The stage's training rows and its held-out rows, checked: held-out rows are not among those trained on."""
    if planned.stage is None:
        return Loaded(), None
    access = replace(bench.access, scale=planned.subject.scale)  # a base may be of another scale than the session
    loaded = load(planned.stage.data, access)
    bench.note_left_out(planned.name, loaded)
    held_out = None
    if planned.stage.held_out is not None and planned.trains:
        held_out = load(planned.stage.held_out, access)
        trained = {row_text(row) for row in loaded.rows}
        both = [row["origin"] for row in held_out.rows if row_text(row) in trained]
        if both:
            raise DataError(
                f"{planned.name}: {len(both)} held-out rows are trained on (first: {both[0]}).",
                "Declare held_out rows beyond the training rows: Rows.held_out(n).",
            )
    if planned.kind != "finetune":
        plain = [row for row in loaded.rows if "text" not in row]
        if plain:
            raise DataError(
                f"{planned.name}: {plain[0]['origin']} is a conversation; pretraining wants text.", "Use text=."
            )
    return loaded, held_out


def train(bench: Bench, planned: PlannedStage, job: Job, device: str) -> None:
    """Make the stage's checkpoint, unless another session has made it meanwhile."""

    def waiting(holder: str) -> None:
        bench.notes.append(f"{planned.name}: waited for {holder}, which was training it")
        job.progress = lambda: Progress(words=f"waiting for {holder}")

    progress_of = job.progress
    with bench.store.lock(planned.key, planned.name, waiting, lambda: bench.stopping):
        job.progress = progress_of
        again = planned.key in bench.again
        if again:
            bench.store.remove("checkpoints", planned.key)
            bench.again.discard(planned.key)
            for stale in list(bench.again):  # stands on what is made anew; other jobs remove their own
                if stale not in bench.jobs:
                    bench.store.remove("checkpoints", stale)
                    bench.store.remove("evaluations", stale)
        if bench.store.get("checkpoints", planned.key) is not None:
            return
        why = "asked for by --retrain" if again else bench.why_missing(planned)
        with told_when_full(f"{planned.name}: writing its rows"):
            folder = bench.store.work("checkpoints", planned.key)
            if not (folder / "made").exists() or not (folder / "record.json").exists():
                _write_task(bench, planned, folder, device)
        if not (folder / "record.json").exists():
            bench.run_worker("harness.training", folder, device, planned.name).wait()
        record = {**json.loads((folder / "record.json").read_text()), "why": why}
        bench.store.publish("checkpoints", planned.key, folder / "made", planned.spec, record)
        bench.trained.append(planned.name)
    bench.rows.pop(planned.key, None)


def _write_task(bench: Bench, planned: PlannedStage, folder: Path, device: str) -> None:
    """Rows, then the spec; what an earlier run left is kept where it says the same."""
    loaded, held_out = bench.rows[planned.key]
    kept = [] if held_out is None else [row["id"] for row in held_out.rows]
    spec_path = folder / "spec.json"
    earlier = json.loads(spec_path.read_text()) if spec_path.exists() else {}
    if earlier and (earlier["device"] != device_inside(device) or earlier["held_out"] != kept):
        shutil.rmtree(folder)  # begun on another kind of device, or watched on other rows: not the same training
        folder.mkdir()
        earlier = {}
    _write_rows(folder / "rows.jsonl", loaded.rows)
    if held_out is not None:
        _write_rows(folder / "held_out.jsonl", held_out.rows)
    parent = planned.parent
    task: dict[str, Any] = {
        **planned.spec,
        "name": planned.name,
        "device": device_inside(device),
        "threads": earlier.get("threads", threads()),  # the sum of a matrix product depends on it
        "held_out": kept,
        "eval_steps": planned.stage.eval_steps if planned.stage else None,
        "save_steps": planned.subject.variant.save_steps,
        "track": bench.options.track,
        "base_at": bench.place(parent) if parent else _model_place(bench, planned),
        "base_name": _base_name(planned),
    }
    temporary = spec_path.with_suffix(".tmp")
    temporary.write_text(json.dumps(task, indent=1))
    temporary.replace(spec_path)


def _model_place(bench: Bench, planned: PlannedStage) -> dict[str, Any] | None:
    """Where `Fresh(...)` finds the configuration and tokenizer it is like."""
    return None if "architecture" in planned.spec["base"] else bench.place_of_model(planned)


def _base_name(planned: PlannedStage) -> str:
    base = planned.spec["base"]
    return str(base.get("model") or base.get("checkpoint") or base.get("directory") or "architecture")


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    temporary.replace(path)


def progress(bench: Bench, planned: PlannedStage) -> Progress:
    """Step, loss, tokens per second and time left, from the last line of the training log."""
    line = last_line(bench.store.root / "checkpoints" / f"{planned.key}.partial" / "log.jsonl")
    if line is None:
        return Progress(words="starting")
    seconds = max(line["seconds"], 1e-3)
    left = (line["steps"] - line["step"]) * seconds / max(line["step"], 1)
    loss = f"loss {line['loss']:.3f}, " if "loss" in line else ""
    return Progress(line["step"], line["steps"], f"{loss}{line['tokens'] / seconds:,.0f} tokens/s, {_clock(left)} left")


def last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of a log of JSON lines."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return None
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
