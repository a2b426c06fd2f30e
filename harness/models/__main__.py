"""The model worker: answers each suite of `DIR/request.json` in turn; an answered suite survives a kill."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from harness.environment import environment
from harness.errors import HarnessError
from harness.models.engine import Engine
from harness.models.lm_eval_tasks import run_own_task, run_task
from harness.models.memory import peak_memory_bytes
from harness.models.parity import compare_copies
from harness.models.probe import probe
from harness.worker import settle


def main(folder: Path) -> int:
    """Write `folder/KEY.json` for each suite asked for; exit status 0, or 1 with folder/error.json."""
    lock = settle(folder)
    request = json.loads((folder / "request.json").read_text())
    from transformers.utils import logging

    torch.set_num_threads(request["threads"])
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        worker = Worker(folder, request)
        worker.engine(request["dtype"])
        for suite in request["suites"]:
            if not (folder / f"{suite['key']}.json").exists():
                worker.answer_or_tell(suite)
    except HarnessError as error:
        (folder / "error.json").write_text(json.dumps(told(error)))
        print(error.told(), file=sys.stderr)
        return 1
    finally:
        lock.release()
    return 0


def told(error: Exception) -> dict[str, str]:
    """An error as the session will raise it again."""
    if isinstance(error, HarnessError):
        return {"kind": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    place = traceback.extract_tb(error.__traceback__)[-1]
    problem = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return {"kind": "WorkerFailed", "problem": problem, "remedy": "The worker's log has the whole traceback."}


class Worker:
    """One model, loaded once per dtype and kept warm between suites."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self.folder, self.request = folder, request
        self.engines: dict[str, Any] = {}

    def engine(self, dtype: str) -> Any:
        """The model in that dtype; one at a time, since two may not fit."""
        if dtype not in self.engines:
            self.engines.clear()
            self.engines[dtype] = Engine(self.request["at"], self.request["device"], dtype)
        return self.engines[dtype]

    def answer_or_tell(self, suite: dict[str, Any]) -> None:
        """The suite's answers, or what went wrong with it alone; the other suites go on."""
        try:
            result = self.answer(suite)
        except Exception as error:
            traceback.print_exc()
            result = {"error": told(error)}
        temporary = self.folder / f"{suite['key']}.tmp"
        temporary.write_text(json.dumps(result))
        temporary.replace(self.folder / f"{suite['key']}.json")

    def answer(self, suite: dict[str, Any]) -> dict[str, Any]:
        """All answers of one suite, and the record of how they came about."""
        started = time.perf_counter()
        rows = [json.loads(line) for line in (self.folder / f"{suite['key']}.samples.jsonl").read_text().splitlines()]
        answers: list[dict[str, Any]] = [{} for _ in rows]
        samples: list[dict[str, Any]] = []  # where the task brings its own
        digests, tokens = [], 0
        for ask in suite["asks"]:
            for dtype in ask.get("dtypes", [self.request["dtype"]]):
                engine = None  # let go of the last dtype's model before the next is loaded
                engine = self.engine(dtype)
                before = engine.tokens
                engine.rendered = hashlib.sha256()
                if ask["is"] == "LmEvalTask":
                    samples, answers = run_own_task(engine, ask["task"])
                else:
                    found = self.one_ask(engine, ask, suite, rows, dtype)
                    for answer, more in zip(answers, found, strict=True):
                        answer.update(more)
                tokens += engine.tokens - before
                digests.append(engine.rendered.hexdigest())
        return {
            "answers": answers,
            "samples": samples,
            "record": {
                "seconds": round(time.perf_counter() - started, 3),
                "tokens": tokens,
                "prompt_digest": digests[0],
                "peak_memory_bytes": peak_memory_bytes(self.request["device"]),
                "device": self.request["device"],
                "dtype": self.request["dtype"],
                "environment": environment(self.request["threads"]),
            },
        }

    def one_ask(
        self, engine: Any, ask: dict[str, Any], suite: dict[str, Any], rows: list[dict[str, Any]], dtype: str
    ) -> list[dict[str, Any]]:
        """What the model answers to one ask, per row; {} for rows that the ask does not concern."""
        if ask["is"] == "LmEval":
            return run_task(engine, ask["task"], ask["metrics"], [row["row"] for row in rows], self.folder)
        if ask["is"] == "Perplexity" and not ask["chat"]:
            return [engine.document_loglikelihood(row["target"]) for row in rows]
        mine = [i for i, row in enumerate(rows) if ask["is"] != "Probe" or row["copy"] == dtype]
        names = [rows[i]["id"] for i in mine]
        prompts = [engine.prompt_ids(rows[i]["prompt"], suite["system_prompt"]) for i in mine]
        if ask["is"] == "Perplexity":
            found = [
                engine.answer_loglikelihood(name, ids, rows[i]["target"])
                for name, ids, i in zip(names, prompts, mine, strict=True)
            ]
        elif ask["is"] == "Choices":
            found = [
                engine.choice_loglikelihoods(name, ids, rows[i]["choices"])
                for name, ids, i in zip(names, prompts, mine, strict=True)
            ]
        elif ask["is"] == "Probe":
            found = probe(engine, names, prompts, ask["max_new_tokens"])
        elif ask["is"] == "Parity":
            self.engines.clear()  # it is let go of within
            found = compare_copies(engine, names, prompts, [row["copy"] for row in rows], ask["max_new_tokens"])
        else:
            found = engine.generate(names, prompts, ask["max_new_tokens"], ask["temperature"])
        by_row = dict(zip(mine, found, strict=True))
        return [by_row.get(i, {}) for i in range(len(rows))]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
