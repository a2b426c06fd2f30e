"""What a session wants and the store lacks -> jobs: parents before children, rows read and checked before any runs."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

from harness.jobs import measure as measuring, train as training_jobs
from harness.gates.stopping import compared_with
from harness.session.bench import Bench
from harness.data.overlap.ngrams import check_contained
from harness.jobs.devices import slots
from harness.errors import HarnessError
from harness.jobs.job import Job, LocalExecutor, in_order, waits_for
from harness.fingerprint.planning import PlannedStage
from harness.recipe import Subject
from harness.suite import Suite, samples_of

NEEDED = ("torch", "transformers", "trl", "peft", "datasets", "lm_eval")  # by the workers


def missing_jobs(
    bench: Bench,
    selected: list[Subject],
    evaluations: list[tuple[Suite, Subject]],
    references: list[tuple[Suite, Subject]],
) -> list[Job]:
    """Jobs for all that is missing, parents first; none where training is switched off.

    `references` are evaluations that gates and floors want beside those selected: made if missing, never anew.
    Raises the error of the first data that cannot be used.
    """
    if not bench.options.train:
        return []
    if bench.options.retrain:
        _again(bench, selected)
    if bench.options.reevaluate:
        bench.again |= {bench.evaluation_key(suite, subject) for suite, subject in evaluations}
    evaluations = [*evaluations, *references]
    subjects = {subject.id: subject for subject in [*selected, *(s for _, s in evaluations)]}
    missing: dict[str, dict[str, measuring.Wanted]] = {}
    owners: dict[str, Subject] = {}
    for suite, subject in evaluations:
        key, spec = bench.evaluation_spec(suite, subject)
        last = bench.planner.fingerprint(subject)
        if key in bench.again or bench.store.get("evaluations", key) is None:
            missing.setdefault(last, {})[key] = (suite, key, spec)
            owners.setdefault(last, subject)
    for subject in subjects.values():
        for planned in bench.planner.chain(subject):
            _training_job(bench, planned)
    _check_overlap(bench, evaluations)
    for fingerprint, suites in missing.items():
        _measuring_job(bench, owners[fingerprint], list(suites.values()))
    for fingerprint, suites in missing.items():
        _after_references(bench, owners[fingerprint], list(suites.values()))
    return in_order(bench.jobs)


def start(bench: Bench, jobs: list[Job]) -> None:
    """Run the jobs beside the session; HarnessError where what they need is not installed."""
    if not jobs:
        return
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise HarnessError(
            f"to train and measure, {', '.join(missing)} must be installed.",
            "Install them: pip install 'harness[train]'. To judge what is stored, pass --no-train.",
        )
    bench.executor = LocalExecutor(slots(bench.options.devices), bench.stop_workers)
    bench.executor.start(jobs)


def _again(bench: Bench, selected: list[Subject]) -> None:
    """--retrain: the selected subjects' own stages are made anew, with all in the store that stands on them."""
    again = {p.key for s in selected for p in bench.planner.chain(s) if p.subject.id == s.id and p.trains}
    stored = list(bench.store.all("checkpoints"))
    for _ in stored:
        again |= {a.key for a in stored if a.spec["base"].get("checkpoint") in again}
    again |= {a.key for a in bench.store.all("evaluations") if a.spec["checkpoint"] in again}
    bench.again |= again


def _training_job(bench: Bench, planned: PlannedStage) -> None:
    if planned.key in bench.jobs or bench.is_there(planned):
        return
    bench.rows[planned.key] = training_jobs.read_rows(bench, planned)
    parent = bench.jobs.get(planned.parent.key) if planned.parent else None
    bench.jobs[planned.key] = Job(
        planned.name,
        partial(training_jobs.train, bench, planned),
        needs=[parent] if parent else [],
        urgency=0,
        progress=partial(training_jobs.progress, bench, planned),
    )


def _measuring_job(bench: Bench, subject: Subject, suites: list[measuring.Wanted]) -> None:
    planned = bench.planner.chain(subject)[-1]
    for suite, _, _ in suites:
        if suite.dataset is not None:
            bench.suite_data(suite)
    parent = bench.jobs.get(planned.key)
    bench.jobs[f"measure {planned.key}"] = Job(
        f"{subject.id} measuring",
        partial(measuring.measure, bench, subject, suites),
        needs=[parent] if parent else [],
        urgency=1,
        progress=partial(measuring.progress, bench, suites),
    )


def _after_references(bench: Bench, subject: Subject, suites: list[measuring.Wanted]) -> None:
    """What --adaptive may stop early is measured after what its claims compare it with."""
    job = bench.jobs[f"measure {bench.planner.fingerprint(subject)}"]
    for suite, _, spec in suites:
        for other in compared_with(bench, suite, subject) if spec.get("adaptive") else ():
            earlier = bench.jobs.get(f"measure {bench.planner.fingerprint(other)}")
            if earlier is not None and earlier is not job and not waits_for(earlier, job):
                job.after.append(earlier)


def _check_overlap(bench: Bench, evaluations: list[tuple[Suite, Subject]]) -> None:
    """Whole evaluation items within the rows about to be trained on are an error."""
    for key, (loaded, _) in bench.rows.items():
        items: dict[str, Any] = {}
        for suite, subject in evaluations:
            if suite.dataset is None or key not in [p.key for p in bench.planner.chain(subject)]:
                continue
            rows = bench.suite_data(suite).rows
            items.update({f"{suite.name}: {sample.id}": sample.whole for sample in samples_of(suite, rows)})
        check_contained(loaded.rows, items, bench.jobs[key].name)
