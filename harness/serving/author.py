"""A model that writes: many prompts asked of a server's model, or of a checkpoint. No answer is asked for twice.

Answers are kept in a folder beside the output as they come, each server's answer on its own, a checkpoint's by sixteen.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import EndpointError, HarnessError
from harness.files import Json
from harness.fingerprint.evaluations import dtype_on
from harness.fingerprint.values import digest
from harness.jobs.devices import device_inside, threads_each
from harness.jobs.leases import alone_here
from harness.jobs.pool import ENDPOINT_WORKER, WorkerPool
from harness.jobs.process import Worker
from harness.suite import Answer, Generate
from harness.worker.messages import (
    PROGRESS,
    REQUEST,
    AskedSuite,
    Form,
    MeasureRequest,
    Question,
    WorkerError,
    read_answers,
    send,
    write_questions,
)
from harness.worker.places import Place, Served

TOGETHER = 16  # prompts whose answers by a checkpoint are kept together
REFUSED = "refused"  # how an answer ends that a server would not give
LOOK = 0.2  # seconds between two looks at the worker
SAY = 30.0  # seconds between two lines where no terminal shows them in place


@dataclass(frozen=True)
class Wanted:
    """What an answer is to be: JSON of a schema where a server sees to that, else as words after the prompt ask for it."""

    schema: Json
    words: str
    max_new_tokens: int
    temperature: float = 0.0

    @property
    def ask(self) -> Generate:
        """As a worker is asked."""
        return Generate(max_new_tokens=self.max_new_tokens, temperature=self.temperature)


@dataclass(frozen=True)
class Author:
    """The model that writes."""

    name: str  # in the rows
    place: Place
    device: str = "cpu"
    at_once: int = 16  # requests under way, to a server


def by_server(url: str, model: str, at_once: int) -> Author:
    """A server's model. Raises EndpointError for an address that is none, HarnessError without its client."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointError(f"--endpoint {url}: that is no address of a server.", "Write http://localhost:8000/v1.")
    if at_once < 1:
        raise HarnessError(f"--at-once {at_once}: at least one request has to be under way.")
    if find_spec("openai") is None:
        raise HarnessError(
            "to ask a server, openai must be installed.",
            "Install the harness with its extra `endpoint`: pip install 'PATH[endpoint]', PATH being its folder or wheel.",
        )
    return Author(model, Served(model, url.rstrip("/")), at_once=at_once)


def answers(author: Author, prompts: Mapping[str, str], wanted: Wanted, folder: Path, who: str) -> dict[str, Answer]:
    """The answer to each prompt, by its name; what the folder has of an earlier run is not asked again.

    A server is held to the schema where it knows schemas; else, and for a checkpoint, the words end the prompt.
    Raises EndpointError where every prompt was refused, and what else the worker ended with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone_here(folder, "asking", who):
        suites = list(_suites(author, prompts, wanted))
        for suite, questions in suites:
            write_questions(folder / f"{suite.key}.questions.jsonl", list(questions))
        _ask(author, [suite for suite, _ in suites], folder, who, len(prompts))
        found = {name: answer for suite, asked in suites for name, answer in _read(folder, suite, asked, who)}
    refused = [answer for answer in found.values() if answer.get("finish_reason") == REFUSED]
    if refused and len(refused) == len(found):
        raise EndpointError(f"{author.name} took none of {len(found):,} requests: {refused[0]['problem']}")
    return {name: found[question_id(name, prompt)] for name, prompt in prompts.items()}


def question_id(name: str, prompt: str) -> str:
    """What an answer is kept under: another prompt for the same item is another question."""
    return f"{name} {digest(prompt)[:16]}"


def _suites(
    author: Author, prompts: Mapping[str, str], wanted: Wanted
) -> Iterator[tuple[AskedSuite, Sequence[Question]]]:
    """Questions by the suites in which they are asked: all of a server's in one, in which answers are kept singly."""
    served, ask = isinstance(author.place, Served), wanted.ask
    texts = [
        (question_id(name, prompt), prompt if served else f"{prompt}\n\n{wanted.words}")
        for name, prompt in prompts.items()
    ]
    questions = [Question(id=name, prompt=text) for name, text in texts]
    if served:
        form = Form(schema=wanted.schema, words=wanted.words)
        yield AskedSuite(key=digest([author.place, ask, form])[:32], name="writing", asks=(ask,), form=form), questions
        return
    for start in range(0, len(questions), TOGETHER):
        together = questions[start : start + TOGETHER]
        key = digest([author.place, ask, [[one.id, one.prompt] for one in together]])[:32]
        yield AskedSuite(key=key, name="writing", asks=(ask,)), together


def _ask(author: Author, suites: Sequence[AskedSuite], folder: Path, who: str, count: int) -> None:
    """Have a worker answer what is not answered; an error of an earlier run is tried again."""
    for suite in suites:
        file = folder / f"{suite.key}.json"
        if file.exists() and (isinstance(author.place, Served) or isinstance(read_answers(file), WorkerError)):
            file.unlink()
    suites = [suite for suite in suites if not (folder / f"{suite.key}.json").exists()]
    if not suites:
        return
    request = MeasureRequest(
        measures="",
        model=author.place,
        device=device_inside(author.device),
        dtype=dtype_on(author.device),
        threads=threads_each((author.device,), side_by_side=False),
        suites=tuple(suites),
        at_once=author.at_once,
    )
    send(folder / REQUEST, request)
    pool = WorkerPool()
    served = isinstance(author.place, Served)
    run = pool.run(ENDPOINT_WORKER, folder, "cpu", who) if served else pool.ask_model(folder, author.device, who)
    try:
        _watch(run, lambda: _done(folder, suites, count))
        run.wait()
    except KeyboardInterrupt:
        print(f"\n{who}: stopped. Run it again: it goes on where it was.", file=sys.stderr)
        raise
    finally:
        pool.stop()
        pool.let_go()


def _read(folder: Path, suite: AskedSuite, asked: Sequence[Question], who: str) -> Iterator[tuple[str, Answer]]:
    found = read_answers(folder / f"{suite.key}.json")
    if isinstance(found, WorkerError):
        error = found.raised_for(who)
        raise type(error)(error.problem, f"{error.remedy} Run again: what was answered is kept.".strip())
    for question, answer in zip(asked, found.answers, strict=True):
        yield question.id, answer


# ---- how far it is ------------------------------------------------------------------------------------


def _watch(worker: Worker, done: Callable[[], str]) -> None:
    """Until the worker ends, say on stderr how far it is: in place on a terminal, else twice a minute."""
    in_place, said, shown = sys.stderr.isatty(), time.monotonic(), ""
    while worker.running():
        time.sleep(LOOK)
        words = done()
        if words and words != shown and (in_place or time.monotonic() - said > SAY):
            print(f"\r{words:<70}" if in_place else words, end="" if in_place else "\n", file=sys.stderr, flush=True)
            said, shown = time.monotonic(), words
    if in_place and shown:
        print(f"\r{'':<70}\r", end="", file=sys.stderr, flush=True)


def _done(folder: Path, suites: Sequence[AskedSuite], count: int) -> str:
    with suppress(OSError, ValueError, LookupError):
        at = json.loads((folder / PROGRESS).read_text())
        whole = sum((folder / f"{suite.key}.json").exists() for suite in suites)  # of those that were left
        done = min(count, whole * TOGETHER + at["done"] if len(suites) > 1 else at["done"])
        return f"{done:,}/{count:,} answered, {at['tokens'] / max(at['seconds'], 1e-3):,.0f} tokens/s"
    return ""
