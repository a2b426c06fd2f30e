"""The model worker: reads folders from stdin, line by line, and answers the suites of each `DIR/request.json`.

What it has loaded stays for the next folder: an adapter of the same base is put in the last one's place. An answered
suite survives a kill.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from harness.environment import environment
from harness.errors import HarnessError
from harness.models.tools.energy import EnergyMeter
from harness.models.answering.engine import Engine
from harness.models.answering.lm_eval_tasks import run_own_task, run_task
from harness.models.tools.memory import peak_memory_bytes, reset_peak_memory
from harness.models.answering.parity import compare_copies
from harness.models.answering.probe import probe
from harness.models.answering.resident import Resident
from harness.jobs.process import ENDED, alone_in, end_with_the_session


def main() -> int:
    """Answer folders until stdin ends, or until an error that may have spoiled the process: a CUDA assertion, say."""
    end_with_the_session()
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    resident = Resident()
    for line in sys.stdin:
        folder = Path(line.strip())
        with (folder / "worker.log").open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        lock = alone_in(folder)
        try:
            status = answer_folder(folder, resident)
        finally:
            lock.release()
        if resident.spoiled:
            return status  # the session sees this process end, and asks a fresh one next
        temporary = folder / f"{ENDED}.tmp"
        temporary.write_text(json.dumps(status))
        temporary.replace(folder / ENDED)
    return 0


def answer_folder(folder: Path, resident: Resident) -> int:
    """Write `folder/KEY.json` for each suite asked for; 0, or 1 with folder/error.json."""
    request = json.loads((folder / "request.json").read_text())
    torch.set_num_threads(request["threads"])
    reset_peak_memory(request["device"])
    try:
        worker = Worker(folder, request, resident)
        worker.engine(request["dtype"])
        for suite in request["suites"]:
            if not (folder / f"{suite['key']}.json").exists():
                worker.answer_or_tell(suite)
    except Exception as error:
        traceback.print_exc()
        resident.spoiled |= not isinstance(error, HarnessError)
        (folder / "error.json").write_text(json.dumps(told(error)))
        return 1
    return 0


def told(error: Exception) -> dict[str, str]:
    """An error as the session will raise it again."""
    if isinstance(error, HarnessError):
        return {"kind": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    place = traceback.extract_tb(error.__traceback__)[-1]
    problem = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return {"kind": "WorkerFailed", "problem": problem, "remedy": "The worker's log has the whole traceback."}


class Worker:
    """The suites of one request, asked of one model in one dtype after the other."""

    def __init__(self, folder: Path, request: dict[str, Any], resident: Resident) -> None:
        self.folder, self.request, self.resident = folder, request, resident

    def engine(self, dtype: str) -> Engine:
        """The model in that dtype; one at a time, since two may not fit."""
        return self.resident.engine(self.request["at"], self.request["device"], dtype)

    def answer_or_tell(self, suite: dict[str, Any]) -> None:
        """The suite's answers, or what went wrong with it alone; the other suites go on."""
        try:
            result = self.answer(suite)
        except Exception as error:
            traceback.print_exc()
            self.resident.spoiled |= not isinstance(error, HarnessError)
            result = {"error": told(error)}
        temporary = self.folder / f"{suite['key']}.tmp"
        temporary.write_text(json.dumps(result))
        temporary.replace(self.folder / f"{suite['key']}.json")

    def answer(self, suite: dict[str, Any]) -> dict[str, Any]:
        """All answers of one suite, and the record of how they came about."""
        started, meter = time.perf_counter(), EnergyMeter(self.request["device"])
        rows = [json.loads(line) for line in (self.folder / f"{suite['key']}.samples.jsonl").read_text().splitlines()]
        answers: list[dict[str, Any]] = [{} for _ in rows]
        samples: list[dict[str, Any]] = []  # where the task brings its own
        digests, tokens, how = [], 0, ""
        for ask in suite["asks"]:
            for dtype in ask.get("dtypes", [self.request["dtype"]]):
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
                how, prompts = how or engine.how, engine.prompts
                digests.append(engine.rendered.hexdigest())
        return {
            "answers": answers,
            "samples": samples,
            "record": {
                "seconds": round(time.perf_counter() - started, 3),
                "tokens": tokens,
                "prompt_digest": digests[0],
                "tokenizer": prompts.tokenizer_digest,
                "chat_template": prompts.template_digest,
                "engine": how,
                "peak_memory_bytes": peak_memory_bytes(self.request["device"]),
                "energy_joules": meter.joules(),
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
        mine = [i for i, row in enumerate(rows) if ask["is"] != "Probe" or row["copy"] == dtype]
        names, prompts = [rows[i]["id"] for i in mine], [rows[i]["prompt"] for i in mine]
        system = suite["system_prompt"]
        if ask["is"] == "Perplexity" and ask["chat"]:
            found = engine.answer_loglikelihoods(names, prompts, [rows[i]["target"] for i in mine], system)
        elif ask["is"] == "Perplexity":
            found = engine.document_loglikelihoods(names, [rows[i]["target"] for i in mine])
        elif ask["is"] == "Choices":
            found = engine.choice_loglikelihoods(names, prompts, [rows[i]["choices"] for i in mine], system)
        else:
            ids = [engine.prompt_ids(prompt, system) for prompt in prompts]
            if ask["is"] == "Probe":
                found = probe(engine, names, ids, ask["max_new_tokens"])
            elif ask["is"] == "Parity":
                self.resident.give_away()  # it is let go of within
                found = compare_copies(engine, names, ids, [row["copy"] for row in rows], ask["max_new_tokens"])
            else:
                found = engine.generate(names, ids, ask["max_new_tokens"], ask["temperature"])
        by_row = dict(zip(mine, found, strict=True))
        return [by_row.get(i, {}) for i in range(len(rows))]


if __name__ == "__main__":
    sys.exit(main())
