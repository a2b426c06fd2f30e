"""One measuring job: the missing suites of one checkpoint, asked of one model worker, scored and stored."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.gates.stopping import batches, in_drawn_order, is_decided
from harness.session.bench import Bench
from harness.evaluation.contamination import shared_with_items
from harness.data.reading.rows import load
from harness.jobs.devices import threads
from harness.errors import HarnessError, StatisticsError, SuiteError
from harness.evaluation.evaluation import publish, questions, recorded, unpublished
from harness.fingerprint.values import digest, plain
from harness.jobs.job import Job, Progress
from harness.fingerprint.planning import dtype_on
from harness.recipe import Subject
from harness.store.artifacts import told_when_full
from harness.suite import Overlap, Sample, Suite
from harness.jobs.process import Worker, device_inside, told_error

Wanted = tuple[Suite, str, dict[str, Any]]  # suite, key, spec
Asked = tuple[Sample, dict[str, Any]]  # a sample, and what is sent of it to the worker


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
        at_once = [wanted for wanted in asked if not wanted[2].get("adaptive")]
        folder = bench.store.root / "measuring" / planned.key
        with told_when_full(f"{subject.id}: writing its samples"):
            folder.mkdir(parents=True, exist_ok=True)
            samples = {wanted[1]: _asked(bench, wanted[0]) for wanted in asked}
            _write_request(bench, subject, folder, device, [(wanted, samples[wanted[1]]) for wanted in at_once])
        if at_once:
            worker = bench.ask_model(folder, device, who)
            _collect(bench, subject, folder, at_once, samples, worker)
            worker.wait()
        for wanted in asked:
            if wanted not in at_once:
                _measure_until_decided(bench, subject, wanted, samples[wanted[1]], folder, device, who)
        if not any(key in bench.suite_errors for _, key, _ in asked):
            shutil.rmtree(folder, ignore_errors=True)  # else the worker's log is of use


def _asked(bench: Bench, suite: Suite) -> list[Asked]:
    """The suite's samples with what is sent of them; none where the task brings its own."""
    return questions(suite, bench.suite_data(suite).rows) if suite.dataset is not None else []


def _write_request(
    bench: Bench, subject: Subject, folder: Path, device: str, suites: list[tuple[Wanted, list[Asked]]]
) -> None:
    """What the worker reads: the model, and each suite's samples."""
    for (_, key, _), asked in suites:
        (folder / f"{key}.samples.jsonl").write_text("".join(json.dumps(sent) + "\n" for _, sent in asked))
    request = {
        "at": bench.place(bench.planner.chain(subject)[-1]),
        "device": device_inside(device),
        "dtype": dtype_on(device),
        "threads": threads(),
        "suites": [
            {"key": key, "name": suite.name, "asks": plain(suite.asks), "system_prompt": suite.system_prompt}
            for (suite, key, _), _ in suites
        ],
    }
    (folder / "request.json").write_text(json.dumps(request))


def _collect(
    bench: Bench, subject: Subject, folder: Path, suites: list[Wanted], samples: dict[str, list[Asked]], worker: Worker
) -> None:
    """Score and publish each suite as soon as the worker has answered it."""
    left = list(suites)
    while left:
        alive = worker.running()
        for wanted in list(left):
            answered = folder / f"{wanted[1]}.json"
            if answered.exists():
                result = json.loads(answered.read_text())
                left.remove(wanted)
                answered.unlink()  # the store has it, or the next session asks again
                asked = [sample for sample, _ in samples[wanted[1]]]
                _publish(bench, subject, wanted, asked, result)
        if not alive:
            return
        time.sleep(0.05)


def _measure_until_decided(
    bench: Bench, subject: Subject, wanted: Wanted, asked: list[Asked], folder: Path, device: str, who: str
) -> None:
    """--adaptive: the suite in batches, in a drawn order, until its gates are decided; batches answered stay answered."""
    suite, key, spec = wanted
    subject = next(s for s in bench.subjects() if s.id == spec["adaptive"]["subject"])  # others may share its weights
    asked = [asked[i] for i in in_drawn_order([sample for sample, _ in asked])]
    everything = [sample for sample, _ in asked]
    result: dict[str, Any] = {}
    for number, batch in enumerate(batches(everything)):
        place = folder / f"{key}-{number}"
        answered = place / f"{key}.json"
        if not answered.exists():
            with told_when_full(f"{subject.id} {suite.name}: writing its samples"):
                place.mkdir(exist_ok=True)
                _write_request(bench, subject, place, device, [(wanted, [asked[i] for i in batch])])
            bench.ask_model(place, device, who).wait()
        result = _joined(result, json.loads(answered.read_text()))
        if "error" in result:
            answered.unlink()
            break
        if batch.stop == len(asked):
            break
        try:
            answers, known = result["answers"], {"subject": subject.id}
            if is_decided(
                bench, suite, subject, unpublished(spec, suite, everything[: batch.stop], answers, known, everything)
            ):
                break
        except StatisticsError:
            continue  # a score that concerns none of the samples so far
        except HarnessError as error:
            return bench.failed(key, error)
    _publish(bench, subject, wanted, everything[: len(result.get("answers", ()))], result, everything)
    if key not in bench.suite_errors:
        for place in folder.glob(f"{key}-*"):
            shutil.rmtree(place, ignore_errors=True)


def _joined(result: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The answers to one batch after those to the batches before; times and energy add up."""
    if not result or "error" in more:
        return more
    record, added = result["record"], more["record"]
    sums = {name: added[name] + record[name] for name in ("seconds", "tokens")}
    known = [one["energy_joules"] for one in (record, added)]
    peaks = [one["peak_memory_bytes"] or 0 for one in (record, added)]
    return {
        "answers": result["answers"] + more["answers"],
        "record": {
            **added,
            **sums,
            "prompt_digest": digest([record["prompt_digest"], added["prompt_digest"]]),
            "energy_joules": None if None in known else sum(known),
            "peak_memory_bytes": max(peaks) or None,
        },
    }


def _publish(
    bench: Bench,
    subject: Subject,
    wanted: Wanted,
    samples: list[Sample],
    result: dict[str, Any],
    everything: Sequence[Sample] = (),
) -> None:
    """Score and store what the worker has answered, or tell what went wrong with this suite alone."""
    suite, key, spec = wanted
    if "error" in result:
        return bench.failed(key, told_error(f"{subject.id} {suite.name}", result["error"]))
    record = {**result["record"], "subject": subject.id, "scale": subject.scale}
    if suite.dataset is None:
        samples = [Sample(**own) for own in result["samples"]]
    drift = _prompt_drift(bench, spec, record)
    try:
        if key in bench.again:
            bench.store.remove("evaluations", key)
        with told_when_full(f"{subject.id} {suite.name}: storing its evaluation"):
            publish(bench.store, key, spec, suite, samples, result["answers"], record, everything)
    except HarnessError as error:
        return bench.failed(key, error)
    bench.notes += [drift] if drift else []
    _, plain_path, reason = str(record.get("engine")).partition("plain: ")
    note = f"{subject.id}: scored without sharing prefixes, since {reason}"
    if plain_path and note not in bench.notes:
        bench.notes.append(note)
    if len(samples) < len(everything):
        bench.spared.append((f"{subject.id} {suite.name}", len(everything) - len(samples), len(everything)))
    bench.published(key, f"{subject.id} {suite.name}")


def _prompt_drift(bench: Bench, spec: dict[str, Any], record: dict[str, Any]) -> str | None:
    """The alarm where the same suite now renders other tokens for the same checkpoint."""
    for earlier in bench.store.all("evaluations"):
        same = all(earlier.spec.get(name) == spec.get(name) for name in ("checkpoint", "suite"))
        stopped = earlier.spec.get("adaptive") or spec.get("adaptive")  # which asks fewer samples, in another order
        if same and not stopped and earlier.record.get("prompt_digest") not in (None, record["prompt_digest"]):
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
        "energy_joules": None,
        "device": checkpoint.record["device"],
        "environment": checkpoint.record["environment"],
        "subject": subject.id,
        "scale": subject.scale,
    }
    if key in bench.again:
        bench.store.remove("evaluations", key)
    publish(bench.store, key, spec, suite, [sample for sample, _ in found], [answer for _, answer in found], record)
    bench.published(key, f"{subject.id} {suite.name}")


def progress(bench: Bench, suites: list[Wanted]) -> Progress:
    """Suites done of all."""
    done = [suite.name for suite, key, _ in suites if (bench.store.root / "evaluations" / key).exists()]
    left = [suite.name for suite, key, _ in suites if suite.name not in done]
    return Progress(len(done), len(suites), f"on {left[0]}" if left else "")
