"""What the session sends to its workers and gets back: frozen values, one JSON file each.

A task is complete in itself. It names what it needs by key (weights in the store, rows beside it in its folder) and
what it makes by key; its folder lies two levels below the store's (`checkpoints/KEY.partial`, `measuring/KEY`), so a
worker on any machine that sees the store can run it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness import errors
from harness.errors import HarnessError, WorkerFailed
from harness.files import Json, write_whole
from harness.fingerprint.values import plain, rebuilt
from harness.recipe import Architecture, FinetuneSettings, Lora, PretrainSettings, Quantization
from harness.suite import ASKS, Ask
from harness.worker.places import Adapted, Directory, HubModel, Place, Published

TASK, ROWS, HELD_OUT = "spec.json", "rows.jsonl", "held_out.jsonl"  # in the folder of a training task
RECORD = "record.json"  # beside the folder `made`, written once that is whole
REQUEST = "request.json"  # in the folder of a measuring request


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """One stage to train, with the rows in `rows.jsonl` beside it."""

    makes: str  # the fingerprint
    name: str  # for people
    kind: Literal["pretrain", "finetune", "fresh"]
    architecture: Architecture | None = None  # to build with fresh weights, in place of a base
    base: Place | None = None
    base_name: str = ""  # written into an adapter's configuration: a hub id, or a fingerprint
    settings: PretrainSettings | FinetuneSettings | None = None  # None for `fresh`, which takes no step
    micro_batch_size: int = 1
    seed: int = 0
    device: str = "cpu"  # as the worker sees it: cpu, or cuda:0
    threads: int = 1  # the sum of a matrix product depends on it
    held_out: tuple[str, ...] = ()  # ids of the rows in held_out.jsonl
    eval_steps: int | None = None
    save_steps: int | None = None
    track: str | None = None


@dataclass(frozen=True, kw_only=True)
class AskedSuite:
    """One suite of a request, with its questions in `KEY.questions.jsonl` beside it."""

    key: str  # of the answers
    name: str
    asks: tuple[Ask, ...]
    system_prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Suites to be asked of one model."""

    measures: str  # fingerprint of the checkpoint
    model: Place
    device: str
    dtype: str
    threads: int
    suites: tuple[AskedSuite, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the worker is sent of one sample."""

    id: str
    prompt: str = ""
    target: str = ""
    choices: tuple[str, ...] = ()
    row: Json | None = None  # where lm-eval makes the prompt from the row itself
    copy: str | None = None  # the dtype or form in which the model is asked, where samples are asked once in each


@dataclass(frozen=True, kw_only=True)
class AnswersRecord:
    """How answers came about."""

    seconds: float
    tokens: int  # scored and generated
    prompt_digest: str | None  # SHA-256 of all rendered token ids
    tokenizer: str | None = None  # digests of both
    chat_template: str | None = None
    engine: str | None = None  # by which path requests were scored
    peak_memory_bytes: int | None
    energy_joules: float | None
    device: str
    dtype: str | None = None
    environment: Json


@dataclass(frozen=True)
class Answers:
    """What a model answered to one suite, sample by sample, and the samples where the suite brought none."""

    answers: list[Json]
    record: AnswersRecord
    samples: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerError:
    """An error as it crosses the wall, to be raised again under the job's name."""

    kind: str  # name of the HarnessError
    problem: str
    remedy: str

    @classmethod
    def of(cls, error: HarnessError) -> WorkerError:
        """The error as a value."""
        return cls(type(error).__name__, error.problem, error.remedy)

    def raised_for(self, name: str) -> HarnessError:
        """The error again, as that of the named job."""
        kind: type[HarnessError] = getattr(errors, self.kind, WorkerFailed)
        return kind(f"{name}: {self.problem}", self.remedy)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A checkpoint to be written as a folder that plain transformers loads."""

    name: str
    model: Place
    device: str
    threads: int
    dtype: str
    merge: bool
    quantize: Literal["4bit", "8bit"] | None


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A model to talk to, and how."""

    name: str
    model: Place
    device: str
    threads: int
    dtype: str
    prompt: str | None  # None: a conversation, line by line
    system: str | None
    max_new_tokens: int
    temperature: float


KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        TrainingTask, MeasureRequest, AskedSuite, ExportRequest, ChatRequest, WorkerError,
        HubModel, Directory, Published, Adapted, *ASKS,
        Architecture, PretrainSettings, FinetuneSettings, Lora, Quantization,
    )
}  # fmt: skip


def encoded(message: Any) -> str:
    """A message as JSON text."""
    return json.dumps(plain(message), indent=1)


def decoded(text: str) -> Any:
    """The message that `encoded` wrote."""
    return rebuilt(json.loads(text), KINDS)


def send(path: Path, message: Any) -> None:
    """Write a message, whole."""
    write_whole(path, encoded(message))


def receive(path: Path) -> Any:
    """The message in a file."""
    return decoded(path.read_text(encoding="utf-8"))


def write_questions(path: Path, questions: list[Question]) -> None:
    """One question a line."""
    path.write_text("".join(json.dumps(asdict(question)) + "\n" for question in questions))


def read_questions(path: Path) -> list[Question]:
    """The questions that `write_questions` wrote, in their order."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [Question(**{**one, "choices": tuple(one["choices"])}) for one in found]


def write_answers(path: Path, answers: Answers | WorkerError) -> None:
    """What a suite came to: its answers, or what went wrong with it alone."""
    write_whole(path, json.dumps({"error" if isinstance(answers, WorkerError) else "answered": asdict(answers)}))


def read_answers(path: Path) -> Answers | WorkerError:
    """What `write_answers` wrote."""
    found = json.loads(path.read_text())
    if "error" in found:
        return WorkerError(**found["error"])
    answered = found["answered"]
    return Answers(answered["answers"], AnswersRecord(**answered["record"]), answered["samples"])
