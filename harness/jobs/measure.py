"""One measuring job: the missing evaluations of one checkpoint, asked of one model worker, scored and stored.

All suites that need the model go to it in one request, and each is scored as soon as it is answered. Answers that the
store holds already are scored without a model.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.errors import HarnessError, StatisticsError, WorkerFailed
from harness.evaluation.asking.answers import Answered, as_stored, store_answers, stored_answers
from harness.evaluation.asking.batches import batches, first_drawn, in_drawn_order
from harness.evaluation.asking.passages import Passages
from harness.evaluation.asking.questions import questions
from harness.evaluation.scored.publish import publish, unpublished
from harness.files import disk_errors_explained
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.fingerprint.values import digest
from harness.jobs.context import JobContext, bring_weights, place_of
from harness.jobs.devices import device_inside
from harness.jobs.events import Measured, MeasuringFailed, Note, StoppedEarly
from harness.jobs.job import Help, Job, Progress, clock
from harness.jobs.nearest import find_nearest
from harness.jobs.pool import ENDPOINT_WORKER
from harness.jobs.process import Worker
from harness.jobs.spread import Spread
from harness.jobs.without_model import answered_without_model
from harness.recipe import Subject
from harness.suite import Sample, Suite
from harness.worker.messages import (
    GOT,
    PROGRESS,
    REQUEST,
    Answers,
    AnswersRecord,
    AskedSuite,
    MeasureRequest,
    Question,
    WorkerError,
    read_answers,
    send,
    write_questions,
)


@dataclass(frozen=True)
class Asked:
    """An evaluation with its samples, and the question that is sent to the worker for each."""

    planned: PlannedEvaluation
    samples: Sequence[Sample]
    questions: Sequence[Question]
    everything: Sequence[Sample]  # all samples of the suite, more than are asked under --limit

    def only(self, positions: Sequence[int]) -> Asked:
        """The same over some of its samples, in that order."""
        samples = [self.samples[i] for i in positions]
        return Asked(self.planned, samples, [self.questions[i] for i in positions], self.everything)


@dataclass
class MeasuringJob:
    """The evaluations of one checkpoint that the store lacks; `subject` is the first that wants it."""

    context: JobContext
    subject: Subject
    planned: PlannedStage  # the checkpoint
    suites: list[PlannedEvaluation]
    suites_of_project: Sequence[Suite] = ()  # their items are looked for in training rows
    passages: Passages | None = None  # of a subject that looks things up
    failed: bool = False
    asking: Path | None = None  # the folder of the request under way
    spread: Spread[list[Asked]] | None = None  # evaluations still to ask, those of the same questions together

    @property
    def name(self) -> str:
        return f"{self.subject.id} measuring"

    @property
    def folder(self) -> Path:
        """Where requests and answers lie while the job runs."""
        return self.context.store.root / "measuring" / self.planned.key

    def __call__(self, job: Job, device: str) -> None:
        """Measure each suite that no other session has measured meanwhile."""
        store, progress_of = self.context.store, job.progress

        def waiting(holder: str) -> None:
            job.progress = lambda: Progress(words=f"waiting for {holder}")

        with store.lock(f"measure-{self.planned.key}", self.name, waiting, lambda: self.context.pool.stopping):
            job.progress = progress_of
            left = [planned for planned in self.suites if store.get("evaluations", planned.key) is None]
            for planned in [planned for planned in left if not planned.suite.needs_model]:
                with self._failures_of(planned):
                    self._publish(planned, answered_without_model(self.context, planned, self.suites_of_project))
            of_model = [planned for planned in left if planned.suite.needs_model]
            asked = [one for planned in of_model if (one := self._to_ask(planned, (job, device)))]
            if asked:
                self._ask(asked, job, device)
            if not self.failed:
                for folder in (self.folder, *self.folder.parent.glob(f"{self.folder.name}.*")):  # its own, its helpers'
                    shutil.rmtree(folder, ignore_errors=True)  # after a failure the worker's log is of use

    def progress(self) -> Progress:
        """Suites done of all; of the one under way its samples, tokens per second and time left."""
        done = sum(self.context.store.holds("evaluations", planned.key) for planned in self.suites)
        return Progress(done, len(self.suites), self._under_way() if done < len(self.suites) else "")

    def _under_way(self) -> str:
        if self.asking is None:
            return "reading samples"
        try:
            at = json.loads((self.asking / PROGRESS).read_text())
        except (OSError, ValueError):
            return "loading the model"
        words = [f"{at['tokens'] / max(at['seconds'], 1e-3):,.0f} tokens/s"]
        if at["samples"]:  # else it is a task of lm-eval, which brings its own
            words.insert(0, f"{at['done']:,}/{at['samples']:,} samples")
        if at["done"]:
            words.append(f"{clock((at['samples'] - at['done']) * at['seconds'] / at['done'])} left")
        return f"on {at['suite']}: {', '.join(words)}"

    # ---- asking -----------------------------------------------------------------------------------

    def _to_ask(self, planned: PlannedEvaluation, place: tuple[Job, str]) -> Asked | None:
        """The evaluation with its samples; None where the store holds the answers, and they are scored now."""
        rows = self.context.rows.rows(planned.suite)
        whole = questions(planned.suite, rows)
        everything = [sample for sample, _ in whole]
        known = stored_answers(self.context.store, planned, everything)
        if known is None:
            if self.passages is not None and self.passages.by_embeddings and not self.passages.nearest:
                of_suites = [(self.context.rows.samples(one.suite), one.limit) for one in self.suites]
                texts = [samples[i].text for samples, limit in of_suites for i in first_drawn(samples, limit)]
                find_nearest(self.context, self.planned, self.passages, texts, place)
            again = planned.limit is not None or self.passages is not None
            asked = questions(planned.suite, rows, planned.limit, self.passages) if again else whole
            return Asked(planned, [sample for sample, _ in asked], [question for _, question in asked], everything)
        with self._failures_of(planned):
            self._publish(planned, known)
        return None

    def _ask(self, asked: list[Asked], job: Job, device: str) -> None:
        same: dict[str, list[Asked]] = {}
        for one in [one for one in asked if one.planned.rule is None]:
            same.setdefault(one.planned.answers_key, []).append(one)
        self.spread = Spread(list(same.values()), 1 if self.planned.is_served else job.devices)
        job.offer()
        try:
            for part in self.spread.until_done():
                self._ask_together(_flat(part), self.folder, job, device)
        finally:
            self.spread.close()  # after an error here too: whoever begins again must not meet a helper
        for one in asked:
            if one.planned.rule is not None:
                self._ask_until_decided(one, job, device)

    def help(self) -> Help | None:
        """What one more device could ask; None where there is nothing to share."""
        return self._help if self.spread is not None and self.spread.begin_to_help() else None

    def _help(self, job: Job, device: str, take: Callable[[], str], wanted: Callable[[], bool]) -> None:
        assert self.spread is not None
        with self.spread.helping(wanted) as parts:
            take()
            number = re.sub(r"\W", "-", f"{device}-{threading.get_ident()}")
            folder = self.folder.with_name(f"{self.planned.key}.{number}")
            for part in parts:
                self._ask_together(_flat(part), folder, job, device)

    def _ask_together(self, asked: Sequence[Asked], folder: Path, job: Job, device: str) -> None:
        """These suites of one model worker; where an error may have broken it, what is left of a fresh one."""
        asked = [one for one in asked if not self.context.store.holds("evaluations", one.planned.key)]
        while asked:
            with disk_errors_explained(f"{self.subject.id}: writing its samples"):
                folder.mkdir(parents=True, exist_ok=True)
                self._write_request(folder, asked, job, device)
            bring_weights(place_of(self.planned, self.context.results.keys.folders), self.context.store)
            self.asking = self.folder
            worker = self._worker(folder, device)
            left = self._collect(asked, folder, worker)
            worker.wait()
            if len(left) == len(asked):
                raise WorkerFailed(f"{self.name}: the worker ended without an answer.", f"See {folder}/worker.log.")
            asked = left

    def _worker(self, folder: Path, device: str) -> Worker:
        """The worker that answers the folder's request: one that loads the model, or one that asks its server."""
        if self.planned.is_served:
            return self.context.pool.run(ENDPOINT_WORKER, folder, "cpu", self.name)
        return self.context.pool.ask_model(folder, device, self.name)

    def _write_request(self, folder: Path, asked: Sequence[Asked], job: Job, device: str) -> None:
        """What the worker reads: the model, and each suite's questions; suites that ask the same are asked once."""
        suites: dict[str, AskedSuite] = {}
        for one in asked:
            suite, key = one.planned.suite, one.planned.answers_key
            write_questions(folder / f"{key}.questions.jsonl", list(one.questions))
            asked_suite = AskedSuite(
                key=key, name=suite.name, asks=suite.asks, system_prompt=suite.system_prompt, limit=one.planned.limit
            )
            if self.planned.lookup is not None:
                prompt, fewer = self.planned.lookup.prompt, self.planned.lookup.fewer
                asked_suite = replace(asked_suite, passage_prompt=prompt, fewer_passages=fewer)
            suites.setdefault(key, asked_suite)
        how = self.context.results.keys.arithmetic  # the key's, whichever of several GPUs this one is
        request = MeasureRequest(
            measures=self.planned.key,
            model=place_of(self.planned, self.context.results.keys.folders),
            device=device_inside(device),
            dtype=how.dtype,
            fixed_batches=how.fixed_batches,
            threads=_begun_with(self.folder) or _begun_with(folder) or job.threads,
            suites=tuple(suites.values()),
        )
        (folder / PROGRESS).unlink(missing_ok=True)  # of an earlier session
        send(folder / REQUEST, request)

    def _collect(self, asked: Sequence[Asked], folder: Path, worker: Worker) -> list[Asked]:
        """Score and publish each suite as soon as the worker has answered it; returns those it has not answered."""
        left: dict[str, list[Asked]] = {}
        for one in asked:
            left.setdefault(one.planned.answers_key, []).append(one)
        while left:
            alive = worker.running()
            for key in list(left):
                file = folder / f"{key}.json"
                if file.exists():
                    for one in left.pop(key):
                        self._publish_answers(one, read_answers(file))
                    file.unlink()  # the store has them, or the next session asks again
                    if self.context.store.holds("answers", key):
                        (folder / f"{key}{GOT}").unlink(missing_ok=True)
            if not alive:
                break
            time.sleep(0.05)
        return [one for same in left.values() for one in same]

    def _publish_answers(self, one: Asked, answers: Answers | WorkerError) -> None:
        with self._failures_of(one.planned):
            if isinstance(answers, WorkerError):
                raise answers.raised_for(one.planned.name)
            self._publish(one.planned, Answered.of(one.samples, answers, one.everything))

    # ---- until decided ----------------------------------------------------------------------------

    def _ask_until_decided(self, asked: Asked, job: Job, device: str) -> None:
        """--adaptive: the suite in batches, in a drawn order, until its gates are decided.

        Answered batches are kept: after a kill, the next session continues with the batch after them.
        """
        planned, failed_before = asked.planned, self.failed
        asked = asked.only(in_drawn_order(asked.samples))
        with self._failures_of(planned):
            self._publish(planned, self._answered_batches(asked, job, device))
        if self.failed == failed_before:
            for folder in self.folder.parent.glob(f"{planned.answers_key}-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def _answered_batches(self, asked: Asked, job: Job, device: str) -> Answered:
        """The answers so far, once they decide the suite's gates or are all there."""
        planned, everything = asked.planned, list(asked.samples)
        found: Answers | None = None
        for number, batch in enumerate(batches(everything)):
            more = self._batch(asked.only(batch), number, job, device)
            found = more if found is None else _joined(found, more)
            answered = Answered(everything[: batch.stop], found.answers, found.record, everything)
            if batch.stop == len(everything):
                break
            try:
                if self.context.decided(planned, unpublished(planned, answered)):
                    break
            except StatisticsError:
                continue  # some metric has no score among the samples so far
        return answered

    def _batch(self, asked: Asked, number: int, job: Job, device: str) -> Answers:
        """The answers to one batch, asked unless an earlier session has."""
        planned = asked.planned
        folder = self.folder.with_name(f"{planned.answers_key}-{number}")
        file = folder / f"{planned.answers_key}.json"
        if not file.exists():
            with disk_errors_explained(f"{planned.name}: writing its samples"):
                folder.mkdir(parents=True, exist_ok=True)
                self._write_request(folder, [asked], job, device)
            bring_weights(place_of(self.planned, self.context.results.keys.folders), self.context.store)
            self.asking = folder
            self._worker(folder, device).wait()
        answers = read_answers(file)
        if isinstance(answers, WorkerError):
            file.unlink()
            raise answers.raised_for(planned.name)
        return answers

    # ---- storing ----------------------------------------------------------------------------------

    def _publish(self, planned: PlannedEvaluation, answered: Answered) -> None:
        """Store the answers, score them, store the evaluation, and report it."""
        context = self.context
        answered = replace(answered, answers=as_stored(answered.answers))
        drift = self._prompt_drift(planned, answered.record)
        with disk_errors_explained(f"{planned.name}: storing its evaluation"):
            if planned.suite.needs_model:
                store_answers(context.store, planned, answered)
            publish(context.store, planned, answered)
        if drift:
            context.report(Note(drift))
        _, is_plain, reason = str(answered.record.engine).partition("plain: ")
        if is_plain:
            context.report(Note(f"{planned.subject.id}: scored without sharing prefixes, since {reason}"))
        for dtype in answered.record.left_out:
            context.report(
                Note(f"{planned.subject.id}: {dtype} does not fit the device; {planned.suite.name} leaves it out")
            )
        spared = len(answered.everything) - len(answered.samples)
        if spared and planned.rule:
            context.report(StoppedEarly(planned.name, spared, len(answered.everything)))
        context.report(Measured(planned.key, planned.name))

    def _prompt_drift(self, planned: PlannedEvaluation, record: AnswersRecord) -> str | None:
        """Report prompt drift: the same suite now renders other tokens for the same checkpoint."""
        for earlier in self.context.store.all("evaluations"):
            same = all(earlier.spec.get(name) == planned.spec.get(name) for name in ("checkpoint", "suite", "limit"))
            stopped = earlier.spec.get("adaptive") or planned.rule  # it asks fewer samples, in another order
            if same and not stopped and earlier.record.get("prompt_digest") not in (None, record.prompt_digest):
                return (
                    f"prompt drift: suite {planned.suite.name} on {planned.subject.id} renders other tokens than in "
                    f"evaluation {earlier.short}, though the suite is unchanged; the two do not compare"
                )
        return None

    def _failures_of(self, planned: PlannedEvaluation) -> _Failures:
        return _Failures(self, planned)


class _Failures:
    """Reports what goes wrong with one suite, so that the subject's other suites go on."""

    def __init__(self, job: MeasuringJob, planned: PlannedEvaluation) -> None:
        self.job, self.planned = job, planned

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, HarnessError):
            return False
        self.job.failed = True
        self.job.context.report(MeasuringFailed(self.planned.key, error))
        return True


def _flat(groups: Sequence[Sequence[Asked]]) -> list[Asked]:
    return [one for group in groups for one in group]


def _begun_with(folder: Path) -> int | None:
    """Threads with which an interrupted session began to ask: rounding depends on them. None where none has."""
    return json.loads((folder / REQUEST).read_text())["threads"] if (folder / REQUEST).exists() else None


def _joined(first: Answers, more: Answers) -> Answers:
    """The answers so far with those of one more batch; times and energy add up."""
    a, b = first.record, more.record
    known = [a.energy_joules, b.energy_joules]
    record = {
        **asdict(b),
        "seconds": a.seconds + b.seconds,
        "tokens": a.tokens + b.tokens,
        "prompt_digest": digest([a.prompt_digest, b.prompt_digest]),
        "energy_joules": None if None in known else sum(joules for joules in known if joules is not None),
        "passages": None if a.passages is None else a.passages + (b.passages or 0),
        "peak_memory_bytes": max(a.peak_memory_bytes or 0, b.peak_memory_bytes or 0) or None,
    }
    return Answers(first.answers + more.answers, AnswersRecord(**record))
