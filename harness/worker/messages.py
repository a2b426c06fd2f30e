"""What the session sends to its workers and gets back: frozen values, each in a JSON file of its own.

A task is complete in itself. It names by key what it needs from the store and what it makes; its rows are beside it in
its folder. The folder is two levels below the store's (`checkpoints/KEY.partial`, `measuring/KEY`). So a worker on any
machine that sees the store can run it.
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
from harness.suite import ASKS, Ask, Asked, Turn
from harness.worker.places import Adapted, Directory, GgufFile, HubModel, Place, Published, Served

TASK, ROWS, HELD_OUT = "spec.json", "rows.jsonl", "held_out.jsonl"  # in the folder of a training task
RECORD = "record.json"  # beside the folder `made`, written after it is complete
REQUEST, PROGRESS = "request.json", "progress.json"  # in the folder of a measuring request
NEAREST = (
    "nearest.json"  # beside a request for nearest passages: {"nearest": [[place, ...], ...], "cut": n, "reads": tokens}
)
REFUSED = "refused"  # how an answer ends that a model would not give, where a form is wanted
AT_ONCE = 16  # requests under way, to a server
GOT = ".got.jsonl"  # after the key of answers: those that a server has given so far


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """One stage to train. Its rows are in `rows.jsonl` beside it."""

    makes: str  # the fingerprint of the checkpoint
    name: str  # for messages to people
    kind: Literal["pretrain", "finetune", "fresh", "import"]
    architecture: Architecture | None = None  # of a model with fresh weights, which is trained instead of a base
    base: Place | None = None
    base_name: str = ""  # written into an adapter's configuration: a hub id, or a fingerprint
    settings: PretrainSettings | FinetuneSettings | None = None  # None for `fresh` and `import`, which take no step
    micro_batch_size: int = 1
    seed: int = 0
    device: str = "cpu"  # as the worker sees it: cpu, or cuda:0
    threads: int = 1  # on which rounding in matrix products depends
    processes: int = 1  # that train together, each with a GPU or a share of the threads
    held_out: tuple[str, ...] = ()  # ids of the rows in held_out.jsonl
    eval_steps: int | None = None
    save_steps: int | None = None
    track: str | None = None
    project: str | None = None  # whose training it is, in a store that several projects share


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form that a server's answers are to have: JSON of a schema where it sees to that, else as words ask for it.

    With a form, a question that the server refuses has an empty answer that ends with REFUSED; without, it is an error.
    """

    schema: Json
    words: str  # after the prompt


@dataclass(frozen=True, kw_only=True)
class AskedSuite:
    """One suite of a request. Its questions are in `KEY.questions.jsonl` beside the request."""

    key: str  # of the answers
    name: str
    asks: tuple[Ask, ...]
    system_prompt: str | None = None
    passage_prompt: str | None = None  # with {passages} and {question}; None where nothing is looked up
    fewer_passages: bool = False  # whether those that exceed the context are left out
    limit: int | None = None  # documents at most, of a task of lm-eval that brings its own
    form: Form | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Suites that one model is to answer."""

    measures: str  # fingerprint of the checkpoint
    model: Place
    device: str
    dtype: str
    threads: int
    suites: tuple[AskedSuite, ...]
    fixed_batches: bool = False  # batches as they are, whatever memory is free
    at_once: int = AT_ONCE


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text that comes before a question."""

    id: str  # of its row
    text: str
    right: bool  # whether it tells of what is asked


@dataclass(frozen=True, kw_only=True)
class Question:
    """The part of a sample that the worker needs."""

    id: str
    prompt: str = ""
    messages: tuple[Turn, ...] = ()  # the turns of a conversation, in place of the prompt
    target: str = ""
    choices: tuple[str, ...] = ()
    row: Json | None = None  # for lm-eval, which makes the prompt from the row
    copy: str | None = None  # the dtype or form of the model that is asked, if the suite compares several
    passages: tuple[Passage, ...] | None = None  # what is found for it, by a subject that looks things up
    findable: bool = False  # whether any passage tells of what is asked

    @property
    def asked(self) -> Asked:
        """What goes into the chat template: the conversation, or the prompt as its only turn."""
        return self.messages or self.prompt


@dataclass(frozen=True, kw_only=True)
class AnswersRecord:
    """How answers were made."""

    seconds: float
    tokens: int  # in all prompts and answers
    prompt_digest: str | None  # SHA-256 of all rendered token ids
    tokenizer: str | None = None  # SHA-256
    chat_template: str | None = None  # SHA-256
    engine: str | None = None  # how requests were scored: "tree", or "plain: " and why
    peak_memory_bytes: int | None
    energy_joules: float | None
    device: str
    dtype: str | None = None
    environment: Json
    left_out: list[str] = field(default_factory=list)  # dtypes of a probe that did not fit into the device's memory
    documents: int | None = None  # of a task of lm-eval, more than were asked under --limit
    passages: int | None = None  # before all questions together; None where nothing was looked up


@dataclass(frozen=True)
class Answers:
    """The answers to one suite, one for each sample; and the samples, if they came from a task of lm-eval."""

    answers: list[Json]
    record: AnswersRecord
    samples: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerError:
    """An error in a worker, as a value that the session can raise again under the job's name."""

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
class NearestRequest:
    """Questions for each of which the `k` nearest passages are wanted, by a model that makes vectors of both."""

    model: Place
    device: str
    threads: int
    k: int
    passages: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A checkpoint that is to be written as a folder that plain transformers can load."""

    name: str
    model: Place
    device: str
    threads: int
    dtype: str
    merge: bool
    quantize: Literal["4bit", "8bit"] | None


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A model to talk to, and the settings of the conversation."""

    name: str
    model: Place
    device: str
    threads: int
    dtype: str
    prompt: str | None  # None: a conversation, with one prompt per line of input
    system: str | None
    max_new_tokens: int
    temperature: float


KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        TrainingTask, MeasureRequest, AskedSuite, Form, NearestRequest, ExportRequest, ChatRequest, WorkerError,
        HubModel, Directory, GgufFile, Served, Published, Adapted, *ASKS,
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
    """Write a message to a file; readers never see part of one."""
    write_whole(path, encoded(message))


def receive(path: Path) -> Any:
    """The message in a file."""
    return decoded(path.read_text(encoding="utf-8"))


def write_questions(path: Path, questions: list[Question]) -> None:
    """Write the questions, one per line."""
    path.write_text("".join(json.dumps(asdict(question)) + "\n" for question in questions))


def read_questions(path: Path) -> list[Question]:
    """The questions that `write_questions` wrote, in the same order."""
    stored = [json.loads(line) for line in path.read_text().splitlines()]
    lists = ("choices", "messages")
    for fields in stored:
        fields |= {name: tuple(fields[name]) for name in lists}
        if fields["passages"] is not None:
            fields["passages"] = tuple(Passage(**passage) for passage in fields["passages"])
    return [Question(**fields) for fields in stored]


def write_answers(path: Path, answers: Answers | WorkerError) -> None:
    """Write what became of one suite: its answers, or the error that it ended with."""
    write_whole(path, json.dumps({"error" if isinstance(answers, WorkerError) else "answered": asdict(answers)}))


def read_answers(path: Path) -> Answers | WorkerError:
    """What `write_answers` wrote."""
    stored = json.loads(path.read_text())
    if "error" in stored:
        return WorkerError(**stored["error"])
    answered = stored["answered"]
    return Answers(answered["answers"], AnswersRecord(**answered["record"]), answered["samples"])
