"""One measuring job: the missing suites of one checkpoint, asked of one model worker, scored and stored."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.bench import Bench
from harness.contamination import shared_with_items
from harness.data.reading import load
from harness.devices import threads
from harness.errors import HarnessError, SuiteError
from harness.evaluation import publish, questions, recorded
from harness.fingerprint import plain
from harness.jobs import Job, Progress
from harness.planning import dtype_on
from harness.recipe import Subject
from harness.store import told_when_full
from harness.suite import Overlap, Sample, Suite
from harness.worker import Worker, device_inside, told_error

Wanted = tuple[Suite, str, dict[str, Any]]  # suite, key, spec


def measure(bench: Bench, subject: Subject, suites: list[Wanted], job: Job, device: str) -> None:
    """Evaluate the checkpoint by each suite that no other session has measured meanwhile."""
    planned = bench.planner.chain(subject)[-1]
    who = f"{subject.id} measuring"

    def waiting(holder: str) -> None:
        job.progress = lambda: Progress(words=f"waiting for {holder}")

    progress_of = job.progress
    with bench.store.lock(f"measure-{planned.key}", who, waiting, lambda: bench.stopping):
        job.progress = progress_of
        suites = [w for w in suites if w[1] in bench.again or bench.store.get("evaluations", w[1]) is None]
        for wanted in [w for w in suites if not w[0].needs_model]:
            try:
                _publish_known(bench, subject, *wanted)
            except HarnessError as error:
                bench.failed(wanted[1], error)
        asked = [wanted for wanted in suites if wanted[0].needs_model]
        if not asked:
            return
        folder = bench.store.root / "measuring" / planned.key
        with told_when_full(f"{subject.id}: writing its samples"):
            folder.mkdir(parents=True, exist_ok=True)
            samples = {wanted[1]: _write_request(bench, subject, folder, wanted) for wanted in asked}
            request = {
                "at": bench.place(planned),
                "device": device_inside(device),
                "dtype": dtype_on(device),
                "threads": threads(),
                "suites": [
                    {"key": key, "name": suite.name, "asks": plain(suite.asks), "system_prompt": suite.system_prompt}
                    for suite, key, _ in asked
                ],
            }
            (folder / "request.json").write_text(json.dumps(request))
        worker = bench.ask_model(folder, device, who)
        _collect(bench, subject, folder, asked, samples, worker)
        worker.wait()
        if not any(key in bench.suite_errors for _, key, _ in asked):
            shutil.rmtree(folder, ignore_errors=True)  # else the worker's log is of use


def _write_request(bench: Bench, subject: Subject, folder: Path, wanted: Wanted) -> list[Sample]:
    """The suite's samples, written for the worker; none where the task brings its own."""
    suite, key, _ = wanted
    asked = questions(suite, bench.suite_data(suite).rows) if suite.dataset is not None else []
    path = folder / f"{key}.samples.jsonl"
    path.write_text("".join(json.dumps(sent) + "\n" for _, sent in asked))
    return [sample for sample, _ in asked]


def _collect(
    bench: Bench, subject: Subject, folder: Path, asked: list[Wanted], samples: dict[str, list[Sample]], worker: Worker
) -> None:
    """Score and publish each suite as soon as the worker has answered it."""
    left = list(asked)
    while left:
        alive = worker.running()
        for wanted in list(left):
            suite, key, spec = wanted
            answered = folder / f"{key}.json"
            if answered.exists():
                result = json.loads(answered.read_text())
                left.remove(wanted)
                answered.unlink()  # the store has it, or the next session asks again
                if "error" in result:
                    bench.failed(key, told_error(f"{subject.id} {suite.name}", result["error"]))
                    continue
                record = {**result["record"], "subject": subject.id, "scale": subject.scale}
                if suite.dataset is None:
                    samples[key] = [Sample(**own) for own in result["samples"]]
                drift = _prompt_drift(bench, spec, record)
                try:
                    if key in bench.again:
                        bench.store.remove("evaluations", key)
                    with told_when_full(f"{subject.id} {suite.name}: storing its evaluation"):
                        publish(bench.store, key, spec, suite, samples[key], result["answers"], record)
                except HarnessError as error:
                    bench.failed(key, error)
                    continue
                if drift:
                    bench.notes.append(drift)
                _, plain_path, reason = str(record.get("engine")).partition("plain: ")
                note = f"{subject.id}: scored without sharing prefixes, since {reason}"
                if plain_path and note not in bench.notes:
                    bench.notes.append(note)
                bench.published(key, f"{subject.id} {suite.name}")
        if not alive:
            return
        time.sleep(0.05)


def _prompt_drift(bench: Bench, spec: dict[str, Any], record: dict[str, Any]) -> str | None:
    """The alarm where the same suite now renders other tokens for the same checkpoint."""
    for earlier in bench.store.all("evaluations"):
        same = earlier.spec.get("checkpoint") == spec["checkpoint"] and earlier.spec.get("suite") == spec["suite"]
        if same and earlier.record.get("prompt_digest") not in (None, record["prompt_digest"]):
            return (
                f"prompt drift: suite {spec['suite']['name']} on {record['subject']} renders other tokens than in "
                f"evaluation {earlier.short}, though the suite is unchanged; the two do not compare"
            )
    return None


def _publish_known(bench: Bench, subject: Subject, suite: Suite, key: str, spec: dict[str, Any]) -> None:
    """Score and publish what needs no model: the checkpoint's own record, or its training rows."""
    planned = bench.planner.chain(subject)[-1]
    checkpoint = bench.artifact(planned)
    found = []
    if checkpoint is not None and any(isinstance(ask, Overlap) for ask in suite.asks):
        found = shared_with_items(bench, subject, suite)
    elif checkpoint is not None and planned.stage is not None and planned.stage.held_out is not None:
        kept = load(planned.stage.held_out, replace(bench.access, scale=planned.subject.scale)).rows
        found = recorded(checkpoint, {row["id"]: row for row in kept})
    if not found or checkpoint is None:
        raise SuiteError(f"suite {suite.name}: {subject.id} has no training of its own to look at.")
    record = {
        "seconds": 0.0,
        "tokens": 0,
        "prompt_digest": None,
        "peak_memory_bytes": None,
        "device": checkpoint.record["device"],
        "environment": checkpoint.record["environment"],
        "subject": subject.id,
        "scale": subject.scale,
    }
    if key in bench.again:
        bench.store.remove("evaluations", key)
    publish(bench.store, key, spec, suite, [sample for sample, _ in found], [answer for _, answer in found], record)
    bench.published(key, f"{subject.id} {suite.name}")


def progress(bench: Bench, subject: Subject, suites: list[Wanted]) -> Progress:
    """Suites done of all."""
    done = [suite.name for suite, key, _ in suites if (bench.store.root / "evaluations" / key).exists()]
    left = [suite.name for suite, key, _ in suites if suite.name not in done]
    return Progress(len(done), len(suites), f"on {left[0]}" if left else "")
