"""One worker's models in turn, memory that runs out, a failed assertion, whole sessions."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks import setting
from benchmarks.on_gpu import asked
from benchmarks.on_gpu.checks import Checks, Steps
from benchmarks.on_gpu.numbers import random_adapter
from benchmarks.on_gpu.training import MIB, emptied

ASSERTS = """
import torch
from harness.models import __main__ as worker
from harness.models.answering.asks import SuiteWorker
answer = SuiteWorker.answer
def planted(self, suite):
    if suite.name == "second":
        torch.zeros(2, device=self.request.device)[torch.tensor([7], device=self.request.device)]
        torch.cuda.synchronize()
    return answer(self, suite)
SuiteWorker.answer = planted
raise SystemExit(worker.main())
"""


def steps(checks: Checks, device: str, small: bool) -> Steps:
    """All of them; on a CPU only what has a meaning there."""
    found: Steps = {"models in turn": lambda: in_turn(checks, device)}
    if device.startswith("cuda"):
        found["memory that runs out"] = lambda: memory_runs_out(checks, device)
        found["a failed assertion"] = lambda: failed_assertion(checks, device)
        found["sessions"] = lambda: sessions(checks)
    return found


# ---- one worker ---------------------------------------------------------------------------------------


def in_turn(checks: Checks, device: str) -> None:
    """base, adapter A, adapter B, base, probes, parity in one worker: the base's scores return, and so does memory."""
    from harness.models.answering.parity import compare_copies
    from harness.models.answering.probe import probe
    from harness.models.answering.resident import Resident
    from harness.worker.places import Directory

    dtype, resident = "bfloat16" if device.startswith("cuda") else "float32", Resident()
    base = Directory(str(setting.smollm2()))
    with tempfile.TemporaryDirectory() as folder:
        places = {name: random_adapter(_made(Path(folder) / name), seed) for seed, name in ((1, "A"), (2, "B"))}
        found, held = [], []
        for place in (base, places["A"], places["B"], base, places["A"], base):
            one = resident.engine(place, device, dtype)
            some = asked.requests(one.tokenizer)[:16]
            found.append([likelihood.total for likelihood in one.scorer.score(some)])
            held.append(_allocated(device))
        checks.that("the base scores the same before and after adapters, bit for bit", found[0] == found[3] == found[5])
        checks.that("an adapter scores the same after another, bit for bit", found[1] == found[4])
        checks.that("the adapters and the base differ", len({tuple(one) for one in found[:3]}) == 3)
        checks.at_most("memory after base, A, B, base, above the first", max(held[3], held[5]) - held[0], 50, "MiB")
        for other in ("float32", "float16"):
            one = resident.engine(base, device, other)
            probes = probe(one, ["p"], [asked.prompts(one, 1)[0]], 8)
            checks.that(
                f"a probe in {other} is finite and can be sampled", bool(probes[0]["sampled"]), probes[0]["problem"]
            )
        one = resident.engine(places["A"], device, dtype)
        del held, found
        resident.give_away()
        forms = ["bfloat16", "int8", "nf4"]
        ids = asked.prompts(one, 3)
        copies = compare_copies(one, forms, ids, forms, 16, Path(folder))
        for form, copy in zip(forms, copies, strict=True):
            checks.row("copies", form=form, agreement=copy["agreement"], divergence_nats=copy["divergence"])
        del one
        emptied()
        if device.startswith("cuda"):
            torch._C._cuda_clearCublasWorkspaces()  # which cuBLAS keeps as long as the process lives
        checks.at_most("memory after all", _allocated(device), 50, "MiB")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _allocated(device: str) -> float:
    """MiB of tensors on a GPU; 0 on a CPU, which does not tell."""
    return torch.cuda.memory_allocated() / MIB if device.startswith("cuda") else 0.0


def memory_runs_out(checks: Checks, device: str) -> None:
    """Scoring and generation in a hundredth of the card: smaller batches, the same scores and answers."""
    from harness.models.answering import generation

    one = asked.engine(device, "float32")
    texts, ids = asked.documents(one.tokenizer), asked.prompts(one)
    scores, answers = _scored(one, texts), _completed(one, ids)
    whole = torch.cuda.get_device_properties(0).total_memory
    emptied()
    with _limited((torch.cuda.memory_allocated() + 900 * MIB) / whole):
        before = one.scorer.tokens_at_once
        scored = _scored(one, texts)
        checks.that(
            "scoring met the limit",
            one.scorer.tokens_at_once < before,
            f"{before:,} to {one.scorer.tokens_at_once:,} tokens at once",
        )
    emptied()
    too_much = mock.patch.object(generation, "free_memory_bytes", return_value=whole)  # else it takes what fits
    with too_much, _limited((torch.cuda.memory_allocated() + 300 * MIB) / whole):
        slots = one.generator.slots
        completed = _completed(one, ids)
        checks.that("generation met the limit", one.generator.slots < slots, f"{slots} to {one.generator.slots} slots")
    off = max(abs(a - b) / asked.LENGTH for a, b in zip(scores, scored, strict=True))
    checks.at_most("scores after memory ran out", off, 1e-5, "nats a token")
    same = sum(a == b for a, b in zip(answers, completed, strict=True))
    checks.at_least("answers after memory ran out, equal", 100 * same / len(ids), 98, "%")


def _scored(one: Any, texts: list[Any]) -> list[float]:
    return [found.total for found in one.scorer.score(texts)]


def _completed(one: Any, ids: list[list[int]]) -> list[list[int]]:
    return [list(found.ids) for found in one.complete([str(i) for i in range(len(ids))], ids, asked.NEW)]


@contextmanager
def _limited(share: float) -> Iterator[None]:
    """In this context this process may take that share of the card."""
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def failed_assertion(checks: Checks, device: str) -> None:
    """An assertion that fails on the GPU in the second of three suites: the worker says so and ends at once."""
    from harness import Generate
    from harness.environment import child_environment
    from harness.worker.messages import (
        REQUEST,
        AskedSuite,
        MeasureRequest,
        Question,
        read_answers,
        send,
        write_questions,
    )
    from harness.worker.places import Directory

    with tempfile.TemporaryDirectory() as store:
        folder = _made(_made(Path(store) / "measuring") / "key")
        names = ("first", "second", "third")
        suites = tuple(AskedSuite(key=name, name=name, asks=(Generate(max_new_tokens=4),)) for name in names)
        place = Directory(str(setting.smollm2()))
        request = MeasureRequest(measures="x", model=place, device=device, dtype="bfloat16", threads=4, suites=suites)
        send(folder / REQUEST, request)
        for name in names:
            write_questions(folder / f"{name}.questions.jsonl", [Question(id="q", prompt="Why do leaves fall?")])
        script = Path(store) / "worker.py"
        script.write_text(ASSERTS)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, script], input=f"{folder}\n", text=True, capture_output=True, timeout=120,
            env=child_environment(),
        )  # fmt: skip
        took = time.perf_counter() - started
        first, second = (read_answers(folder / f"{name}.json") for name in names[:2])
        told = getattr(second, "problem", "")
        checks.that("the first suite has its answers", hasattr(first, "answers"))
        checks.that("the second says that the GPU failed", "assert" in told, told[:90])
        checks.that("the third is left for a fresh worker", not (folder / "third.json").exists())
        checks.that(
            "the worker ended by itself",
            not (folder / "ended.json").exists(),
            f"status {done.returncode}, {took:.0f} s",
        )


# ---- sessions -----------------------------------------------------------------------------------------


def sessions(checks: Checks) -> None:
    """`pytest suites/ -k wiki_only --scale mini --gpu 0`, twice on one store."""
    with tempfile.TemporaryDirectory() as folder:
        for number in ("first", "second"):
            command = [
                sys.executable, "-m", "pytest", "suites/", "-k", "wiki_only", "--scale", "mini", "--gpu", "0",
                "--store", f"{folder}/store", "--results", f"{folder}/results.duckdb",
            ]  # fmt: skip
            started = time.perf_counter()
            done = subprocess.run(command, cwd=setting.ROOT, text=True, capture_output=True, timeout=500)
            took = time.perf_counter() - started
            checks.keep(f"{number} session", done.stdout + done.stderr)
            passed = re.search(r"(\d+) passed", done.stdout)
            ended = done.stdout.strip().splitlines()[-1].strip("= ")
            found = f"{ended}; {took:.0f} s in all"
            checks.that(f"{number} session", passed is not None and "error" not in ended, found)
