"""A conversation -> the server's answer; as JSON of a schema where the server holds its answers to one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from harness.errors import EndpointError
from harness.files import Json
from harness.models.endpoint.client import Client
from harness.suite import Answer, Generate
from harness.worker.messages import REFUSED, Form

FINISHED = {"stop": "end"}  # OpenAI's word -> ours; others, such as "length", are the same
ODD = "odd"  # in place of those, where the server's answer is none
NOT_TAKEN = (400, 413, 422)  # statuses of a request that is refused for itself
HOPELESS = 16  # refusals, and no answer, after which nothing more is asked
USAGE = ("prompt_tokens", "completion_tokens")


class Completions:
    """One model's answers to conversations. Safe to use from several threads once `structured` is known."""

    def __init__(self, client: Client, model: str, form: Form | None = None, earlier: Iterable[Answer] = ()) -> None:
        self.client, self.model, self.form = client, model, form
        forms = {answer.get("structured") for answer in earlier} - {None}
        # Whether the server holds answers to a schema; None: not known.
        self.structured: bool | None = True in forms if forms else None
        self.given, self.refused = len(forms), 0

    def answer(self, ask: Generate, turns: list[Json], seed: str) -> Answer:
        """The answer; where a form is wanted and the server refuses the question, an empty one that says so."""
        body: Json = {"model": self.model, "messages": turns, "temperature": ask.temperature}
        if ask.temperature:
            body["seed"] = int(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:7], 16)
        if self.form is None:
            return self._one(body, ask)
        try:
            answer = self._in_form(body, ask, self.form)
            self.given += 1
            return answer
        except EndpointError as error:
            self.refused += 1
            if error.status not in NOT_TAKEN or (self.refused >= HOPELESS and not self.given):
                raise
            return {"completion": "", "finish_reason": REFUSED, "ended": True, "problem": error.problem}

    def _in_form(self, body: Json, ask: Generate, form: Form) -> Answer:
        """By schema unless the server is known to have none; where that is not known, it is tried."""
        spent: Answer = {}
        if self.structured is not False:
            schema = {"name": "answer", "strict": True, "schema": form.schema}
            wanted = {**body, "response_format": {"type": "json_schema", "json_schema": schema}}
            try:
                answer = self._one(wanted, ask)
                if self.structured or not answer["completion"]:  # nothing shows nothing
                    return {**answer, "structured": self.structured}
                if _is_json(answer["completion"]):
                    self.structured = True
                    return {**answer, "structured": True}
                spent = answer  # the server takes a schema and does not keep to it
            except EndpointError as error:
                if self.structured or error.status not in (*NOT_TAKEN, 404, 415, 501):
                    raise
        last = turns_with(body["messages"], form.words)
        answer = self._one({**body, "messages": last}, ask)
        self.structured = False
        tokens = {name: answer.get(name, 0) + spent.get(name, 0) for name in USAGE if name in answer}
        return {**answer, **tokens, "structured": False}

    def _one(self, body: Json, ask: Generate) -> Answer:
        once = self.form is not None
        try:
            got = self.client.post("/chat/completions", {**body, "max_tokens": ask.max_new_tokens}, once)
        except EndpointError as error:
            if error.status != 400 or "max_completion_tokens" not in error.problem:
                raise
            got = self.client.post("/chat/completions", {**body, "max_completion_tokens": ask.max_new_tokens}, once)
        usage = got.get("usage")
        told = {name: usage[name] for name in USAGE if isinstance(usage, dict) and isinstance(usage.get(name), int)}
        try:
            choice = part(got, ("choices", 0))
            text = part(choice, ("message",)).get("content") or ""
            if not isinstance(text, str):
                raise EndpointError(f"the server's answer is no text: {json.dumps(text)[:200]}")
        except EndpointError as error:
            if self.form is None:
                raise
            return {"completion": "", "finish_reason": ODD, "ended": True, "problem": error.problem, **told}
        reason = choice.get("finish_reason")
        reason = reason if isinstance(reason, str) else None
        return {
            "completion": text.strip(),
            "finish_reason": reason and FINISHED.get(reason, reason),  # None where the server does not say
            "ended": reason != "length",
            **told,
        }


def turns_with(turns: Sequence[Json], words: str) -> list[Json]:
    """The conversation with these words after its last turn."""
    return [*turns[:-1], {**turns[-1], "content": f"{turns[-1]['content']}\n\n{words}"}]


def part(got: Any, path: Sequence[Any]) -> Json:
    """A part of the server's answer; EndpointError where it is not there."""
    found = got
    for name in path:
        try:
            found = found[name]
        except (KeyError, IndexError, TypeError):
            raise EndpointError(f"the server's answer lacks {name!r}: {json.dumps(got)[:200]}") from None
    if not isinstance(found, dict):
        raise EndpointError(f"the server's answer lacks {path[-1]!r}: {json.dumps(got)[:200]}")
    return found


def _is_json(text: str) -> bool:
    """Whether a text is JSON, or was when it was cut."""
    try:
        json.loads(text)
    except RecursionError:
        return False
    except ValueError:
        return text.startswith("{")
    return True
