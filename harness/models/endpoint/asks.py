"""One suite's asks -> its answers, from a server; those that an earlier process got are not asked again."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TextIO

from harness.environment import environment
from harness.errors import EndpointError, NotOffered
from harness.files import Json, read_json_lines
from harness.models.endpoint.client import Client
from harness.models.endpoint.completions import Completions, part
from harness.models.passages.noted import number_of_passages, told, with_passages
from harness.models.tools.progress import SuiteProgress
from harness.suite import Answer, Ask, Choices, Generate, Perplexity
from harness.worker.messages import AT_ONCE, GOT, REFUSED, Answers, AnswersRecord, AskedSuite, Question, read_questions
from harness.worker.places import Served


class EndpointWorker:
    """Answers the suites of one request by one model of a server."""

    def __init__(self, folder: Path, at: Served, at_once: int = AT_ONCE) -> None:
        self.folder, self.at, self.at_once, self.client = folder, at, at_once, Client(at.url)
        self.completions = Completions(self.client, at.model)
        self.beside = Client(at.url.rstrip("/").removesuffix("/v1"))  # where vLLM has its tokenizer

    def answer(self, suite: AskedSuite) -> Answers:
        """All answers to one suite, and their record. Raises NotOffered where the server lacks what is asked."""
        started = time.perf_counter()
        questions = read_questions(self.folder / f"{suite.key}.questions.jsonl")
        questions = with_passages(suite, questions, lambda question: 0)  # how long a context is, the server says
        kept = self.folder / f"{suite.key}{GOT}"
        found = _kept(kept)
        progress = SuiteProgress(self.folder, suite.name, len(questions), 1)
        progress.next_part()
        left = [question for question in questions if question.id not in found]
        self.completions = Completions(self.client, self.at.model, suite.form, tuple(found.values()))
        with kept.open("a", encoding="utf-8") as file:
            while suite.form is not None and left and self.completions.structured is None:
                self._ask_all([left.pop(0)], suite, found, file, progress)  # alone: it shows whether schemas are known
            self._ask_all(left, suite, found, file, progress)
        answers = [found[question.id] for question in questions]
        record = AnswersRecord(
            seconds=round(time.perf_counter() - started, 3),
            tokens=sum(one.get("prompt_tokens", 0) + one.get("completion_tokens", 0) for one in answers),
            prompt_digest=None,
            engine="endpoint",
            peak_memory_bytes=None,
            energy_joules=None,
            device=self.at.url,
            environment=dict(environment()),
            passages=number_of_passages(questions),
        )
        return Answers(answers, record)

    def _ask_all(
        self,
        questions: Sequence[Question],
        suite: AskedSuite,
        found: dict[str, Answer],
        file: TextIO,
        progress: SuiteProgress,
    ) -> None:
        """Ask many at once; each answer is written as it comes, after an error those under way too."""
        everything, writing = progress.samples, threading.Lock()

        def ask(question: Question) -> None:
            answer = self._one(question, suite)
            with writing:
                found[question.id] = answer
                if answer.get("finish_reason") != REFUSED:  # that is asked again in another run
                    file.write(json.dumps({"id": question.id, "answer": answer}) + "\n")
                    file.flush()
                progress(len(found) / everything, answer.get("completion_tokens", 0))

        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                for done in as_completed([pool.submit(ask, question) for question in questions]):
                    done.result()
            except BaseException:  # nothing more is asked, and paid for
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, question: Question, suite: AskedSuite) -> Answer:
        """The answer to all asks about one question."""
        asked = [{"role": "user", "content": question.asked}] if isinstance(question.asked, str) else question.asked
        turns = [dict(turn) for turn in asked]
        if suite.system_prompt:
            turns.insert(0, {"role": "system", "content": suite.system_prompt})
        answer: Answer = told(question)
        for ask in suite.asks:
            try:
                answer.update(self._asked(ask, question, turns))
            except EndpointError as error:
                raise type(error)(f"sample {question.id}: {error.problem}", error.remedy, error.status) from None
        return answer

    def _asked(self, ask: Ask, question: Question, turns: list[Json]) -> Answer:
        match ask:
            case Generate():
                return self.completions.answer(ask, turns, seed=question.id)
            case Choices():
                values = [self._loglikelihood(turns, choice)[0] for choice in question.choices]
                normed = [value / len(choice) for value, choice in zip(values, question.choices, strict=True)]
                return {"loglikelihoods": values, "chosen": max(range(len(values)), key=normed.__getitem__)}
            case Perplexity(chat=True):
                total, tokens = self._loglikelihood(turns, question.target)
                text = question.target
                return {"nll": -total, "tokens": tokens, "words": len(text.split()), "bytes": len(text.encode())}
        raise NotOffered(f"{type(ask).__name__} needs a model's weights, and {self.at.model} is a server's.")

    def _loglikelihood(self, turns: list[Json], answer: str) -> tuple[float, int]:
        """The answer's log-likelihood in nats as the assistant's next turn, and its number of tokens.

        The server renders its own template (`/tokenize`, as vLLM has it) and gives the log-probabilities of the prompt's
        tokens (`echo`). Raises NotOffered where it does not.
        """
        if answer != answer.strip():
            raise NotOffered(
                f"{self.at.url}: the answer {answer[:60]!r} has blanks around it, which a template may trim."
            )
        asked = self._token_ids(turns, add_generation_prompt=True)
        if not asked:
            raise NotOffered(f"{self.at.url} does not tokenize a conversation.")
        whole = self._token_ids(
            [*turns, {"role": "assistant", "content": answer}], add_generation_prompt=False, continue_final_message=True
        )
        if whole[: len(asked)] != asked or len(whole) == len(asked):
            raise EndpointError(
                f"the answer {answer[:60]!r} has no tokens of its own after the prompt in its template."
            )
        body = {"model": self.at.model, "prompt": whole, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        got = self._offered(self.client, "/completions", body)
        values = (part(got, ("choices", 0)).get("logprobs") or {}).get("token_logprobs") or []
        own = values[len(asked) : len(whole)]
        if len(own) != len(whole) - len(asked) or None in own:
            raise NotOffered(f"{self.at.url} gives no log-probabilities of a prompt's tokens.")
        return float(sum(own)), len(own)

    def _token_ids(self, turns: list[Json], **how: bool) -> list[int]:
        body = {"model": self.at.model, "messages": turns, **how}
        return [int(number) for number in self._offered(self.beside, "/tokenize", body).get("tokens", ())]

    def _offered(self, client: Client, path: str, body: Json) -> Json:
        """The server's answer; NotOffered where it does not know the path, or refuses such a request."""
        try:
            return client.post(path, body)
        except EndpointError as error:
            if error.status in (400, 404, 405, 422, 501):
                raise NotOffered(f"{self.at.url} gives no log-likelihood of an answer: {error.problem}") from None
            raise


def _kept(file: Path) -> dict[str, Answer]:
    """The answers that an earlier process wrote, by id; a line that it did not finish is none."""
    found = {
        row["id"]: row["answer"] for row in read_json_lines(file, skip_broken=True) if {"id", "answer"} <= row.keys()
    }
    if file.exists():
        text = file.read_bytes()
        os.truncate(file, text.rfind(b"\n") + 1)  # never written anew: what is there was paid for
    return found
