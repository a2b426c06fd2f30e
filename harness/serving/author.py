"""A model that writes: many prompts asked of a server's model, or of a checkpoint. No answer is asked for twice.

Answers are kept in a folder beside the output as they come, each server's answer on its own, a checkpoint's by sixteen.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import EndpointError, HarnessError
from harness.files import Json, read_json_lines, write_json_lines
from harness.fingerprint.evaluations import dtype_on
from harness.fingerprint.values import digest
from harness.jobs.devices import device_inside, threads_each
from harness.jobs.leases import alone_here
from harness.jobs.pool import ENDPOINT_WORKER, WorkerPool
from harness.jobs.process import Worker
from harness.recipe import Endpoint
from harness.serving.serve import check_installed
from harness.suite import Answer, Generate
from harness.worker.messages import (
    AT_ONCE,
    GOT,
    PROGRESS,
    REFUSED,
    REQUEST,
    Answers,
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
    at_once: int = AT_ONCE


def by_server(url: str, model: str, at_once: int) -> Author:
    """A server's model. Raises HarnessError for an address that is none, and without the server's client."""
    at = Endpoint(model, url=url)  # no name or password in the address
    try:
        known = urlsplit(at.url).port != 0
    except ValueError:
        known = False
    if not known:
        raise EndpointError(f"--endpoint {url}: that is no address of a server.", "Write http://localhost:8000/v1.")
    check_installed("endpoint", "asking a server", "openai")
    return Author(model, Served(model, at.url.rstrip("/")), at_once=at_once)


def answers(author: Author, prompts: Mapping[str, str], wanted: Wanted, folder: Path, who: str) -> dict[str, Answer]:
    """The answer to each prompt, by its name; what the folder has of an earlier run is not asked again.

    A server is held to the schema where it knows schemas; else, and for a checkpoint, the words end the prompt. A prompt that
    the model does not take has an answer that ends with `refused`.

    Raises EndpointError where every prompt was refused, HarnessError for a folder that cannot be made, and what else the
    worker ended with.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "worker.lock").touch()
    except OSError as error:
        raise HarnessError(f"{folder} cannot be written: {error.strerror}.", "Name another --output.") from None
    with alone_here(folder, "asking", who):
        asking = Asking(author, wanted, folder, who)
        found = asking.by_server(prompts) if isinstance(author.place, Served) else asking.by_checkpoint(prompts)
    refused = [answer for answer in found.values() if is_refused(answer)]
    if refused and len(refused) == len(found):
        raise EndpointError(f"{author.name} took none of {len(found):,} requests: {refused[0]['problem']}")
    return {name: found[question_id(name, prompt)] for name, prompt in prompts.items()}


def question_id(name: str, prompt: str) -> str:
    """What an answer is kept under: another prompt for the same item is another question."""
    return f"{name} {digest(prompt)[:16]}"


@dataclass(frozen=True)
class Asking:
    """One run's questions, in a folder that has earlier runs' answers."""

    author: Author
    wanted: Wanted
    folder: Path
    who: str

    def by_server(self, prompts: Mapping[str, str]) -> dict[str, Answer]:
        """All in one suite, in which each answer is kept as it comes."""
        questions = [Question(id=question_id(name, text), prompt=text) for name, text in prompts.items()]
        form = Form(schema=self.wanted.schema, words=self.wanted.words)
        suite = AskedSuite(key=self._key(form), name="writing", asks=(self.wanted.ask,), form=form)
        # That is the whole of an earlier run; its single answers are kept beside it.
        (self.folder / f"{suite.key}.json").unlink(missing_ok=True)
        answered = self._asked({suite.key: (suite, questions)}, len(prompts))
        return self._by_question(questions, answered[suite.key])

    def by_checkpoint(self, prompts: Mapping[str, str]) -> dict[str, Answer]:
        """Sixteen together, those apart that a group could not be answered for; then all are kept by question."""
        kept = self.folder / f"{self._key(self.wanted.words)}{GOT}"
        found: dict[str, Answer] = {row["id"]: row["answer"] for row in read_json_lines(kept, skip_broken=True)}
        questions = [
            Question(id=question_id(name, text), prompt=f"{text}\n\n{self.wanted.words}")
            for name, text in prompts.items()
        ]
        left = [one for one in questions if one.id not in found]
        groups = [left[start : start + TOGETHER] for start in range(0, len(left), TOGETHER)]
        for group, answered in self._in_groups(groups).items():
            if _is_too_long(answered) and len(groups[group]) > 1:  # one of them is; the others are asked apart
                singles = [[one] for one in groups[group]]
                for single, alone in self._in_groups(singles).items():
                    found |= self._by_question(singles[single], alone)
            else:
                found |= self._by_question(groups[group], answered)
        write_json_lines(kept, ({"id": name, "answer": one} for name, one in found.items() if not is_refused(one)))
        return {one.id: found[one.id] for one in questions}

    def _in_groups(self, groups: Sequence[Sequence[Question]]) -> dict[int, Answers | WorkerError]:
        suites = {}
        for group in groups:
            key = self._key([[one.id, one.prompt] for one in group])
            suites[key] = AskedSuite(key=key, name="writing", asks=(self.wanted.ask,)), group
        found = self._asked(suites, sum(map(len, groups)))
        return dict(enumerate(found.values()))

    def _by_question(self, group: Sequence[Question], answered: Answers | WorkerError) -> dict[str, Answer]:
        """The answers of a group, or that its only question is too long. Raises what else a worker ended with."""
        if isinstance(answered, WorkerError):
            if _is_too_long(answered) and len(group) == 1:
                refused = {"completion": "", "finish_reason": REFUSED, "ended": True, "problem": answered.problem}
                return {group[0].id: refused}
            error = answered.raised_for(self.who)
            raise type(error)(error.problem, f"{error.remedy} Run again: what was answered is kept.".strip())
        return {one.id: answer for one, answer in zip(group, answered.answers, strict=True)}

    def _asked(
        self, suites: Mapping[str, tuple[AskedSuite, Sequence[Question]]], count: int
    ) -> dict[str, Answers | WorkerError]:
        """Have a worker answer the suites that are not answered; an error of an earlier run is tried again."""
        for suite, questions in suites.values():
            file = self.folder / f"{suite.key}.json"
            if file.exists() and isinstance(read_answers(file), WorkerError):
                file.unlink()
            write_questions(self.folder / f"{suite.key}.questions.jsonl", list(questions))
        left = [suite for suite, _ in suites.values() if not (self.folder / f"{suite.key}.json").exists()]
        if left:
            self._run(left, count)
        return {key: read_answers(self.folder / f"{key}.json") for key in suites}

    def _run(self, suites: Sequence[AskedSuite], count: int) -> None:
        author, served = self.author, isinstance(self.author.place, Served)
        request = MeasureRequest(
            measures="",
            model=author.place,
            device=device_inside(author.device),
            dtype=dtype_on(author.device),
            threads=threads_each((author.device,), side_by_side=False),
            suites=tuple(suites),
            at_once=author.at_once,
        )
        send(self.folder / REQUEST, request)
        (self.folder / PROGRESS).unlink(missing_ok=True)
        pool = WorkerPool()
        if served:
            run = pool.run(ENDPOINT_WORKER, self.folder, "cpu", self.who)
        else:
            run = pool.ask_model(self.folder, author.device, self.who)
        try:
            _watch(run, lambda: _done(self.folder, suites, count))
            run.wait()
        except KeyboardInterrupt:
            print(f"\n{self.who}: stopped. Run it again: it goes on where it was.", file=sys.stderr)
            raise
        finally:
            pool.stop()
            pool.let_go()

    def _key(self, what: object) -> str:
        return digest([self.author.place, self.wanted.ask, what])[:32]


def _is_too_long(answered: Answers | WorkerError) -> bool:
    return isinstance(answered, WorkerError) and answered.kind == "SuiteError"


def is_refused(answer: Answer) -> bool:
    """Whether the model would not take the prompt."""
    return bool(answer.get("finish_reason") == REFUSED)


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
