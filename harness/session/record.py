"""The results of a session: its rows for the warehouse, its report, and a note of the newest session's outcome."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.environment import MATTERS, commit_of, environment, threads
from harness.errors import HarnessError, Spared, StoreError
from harness.files import Json, disk_errors_explained, write_whole
from harness.fingerprint.checkpoints import outdated
from harness.fingerprint.values import digest, fields_of, plain
from harness.gates.curricula import what_was_learnt
from harness.gates.gate import Gate
from harness.gates.sweeps import compare_settings
from harness.gates.verdict import Verdict
from harness.jobs.missing import Wanted
from harness.recipe import Subject
from harness.session.run import Run
from harness.session.settings import settings_of
from harness.store import Store
from harness.store.baselines import all_of
from harness.store.sessions import SessionRows, write_session
from harness.suite import Suite

LATEST = "latest.json"  # beside the reports: the outcome of the newest session


@dataclass(frozen=True)
class Outputs:
    """Where a session's results go."""

    results: Path  # the DuckDB file
    reports: Path  # a folder

    @classmethod
    def of(cls, root: Path, results: str | None) -> Outputs:
        """The results file given, or the project's own, and a folder beside it."""
        file = Path(results) if results else settings_of(root).results
        return cls(file, file.parent / "reports")

    def check_writable(self, store: Store) -> None:
        """Raise StoreError where the session could not keep what it finds, as in a checkout that is read-only."""
        for folder in (store.root, self.results.parent.resolve(), self.reports.resolve()):
            there = next(place for place in (folder, *folder.parents) if place.exists())
            if not os.access(there, os.W_OK):
                raise StoreError(
                    f"{folder} cannot be written, and a session keeps its results.",
                    "Give places that can be: --store DIR --results DIR/results.duckdb (reports go beside the results).",
                )

    def reading(self) -> AbstractContextManager[Any]:
        """A read-only connection to all results ingested so far."""
        from harness import warehouse

        return warehouse.connect(self.results, read_only=True)


@dataclass
class Record:
    """What one session adds to the results."""

    run: Run
    outputs: Outputs
    command: str  # as typed
    subjects: dict[str, Subject] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)  # by name
    wanted: list[tuple[str, str, str]] = field(
        default_factory=list
    )  # (subject, suite, key) of every evaluation asked for
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    text: str = ""  # the terminal's table
    paths: list[Path] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    broken: int = 0  # failed tests that are not gates
    interrupted: bool = False  # ended before all tests had run
    begun: float = field(default_factory=time.time)

    # ---- before anything runs ---------------------------------------------------------------------

    def note_wanted(self, wanted: Wanted) -> None:
        """Note what the session is about. Until it finishes, the newest session counts as broken."""
        evaluations = [*wanted.evaluations, *wanted.references]
        self.subjects = {s.id: s for s in [*wanted.subjects, *(planned.subject for planned in evaluations)]}
        self.suites = {planned.suite.name: planned.suite for planned in evaluations}
        keys = [(planned.subject.id, planned.suite.name, planned.key) for planned in evaluations]
        self.wanted = list(dict.fromkeys(keys))  # what is both a test's and a claim's other side is wanted once
        known = read_latest(self.outputs.reports)
        if known:
            write_whole(self.outputs.reports / LATEST, json.dumps({**known, "broken": 1}))

    def opening(self, gates: Iterable[Gate]) -> list[str]:
        """Lines printed before anything runs: version mismatches, what is missing, what each gate could detect."""
        lines = [*self._other_versions(), *self._left_behind()]
        jobs = self.run.jobs.in_order
        if not jobs:
            return lines
        trained = list(dict.fromkeys(job.name for job in jobs if job.kind == "train"))
        scored = sum(job.asks == "nothing" for job in jobs)
        if scored < len(jobs):
            asked = sum(job.kind == "measure" for job in jobs) - scored
            lines.append(f"to train: {', '.join(trained) or 'nothing'}; to measure: {asked} checkpoints")
        if scored:
            lines.append(f"to score from stored answers: {scored} checkpoints")
        forecast = self.run.forecast() if scored < len(jobs) else None  # else the verdicts are as soon there
        for gate in gates:
            if lacks := self.run.will_lack(gate):
                lines.append(f"  {gate.id}: will be skipped: {lacks}")
            elif forecast:
                lines.append(f"  {gate.id}: {forecast.detectable(gate)}")
        return lines

    def _other_versions(self) -> list[str]:
        """Lines on stored checkpoints that were made under other minor versions than are installed now."""
        here, lines = environment(), []
        for subject in self.subjects.values():
            artifact = self.run.results.artifact(self.run.keys.last(subject))
            made = artifact.record["environment"] if artifact else {}
            differing = [
                f"{name} {made[name]} (here {here[name]})"
                for name in MATTERS
                if name in made and name in here and made[name].split(".")[:2] != str(here[name]).split(".")[:2]
            ]
            if differing:
                lines.append(f"{subject.id}: its checkpoint was made with {', '.join(differing)}; it is used as it is")
        return lines

    def _left_behind(self) -> list[str]:
        """A line on stored checkpoints that were made by other training code, which no session can use again."""
        unused = len(outdated(self.run.results.specs, self.run.keys.code))
        if not unused:
            return []
        what = "1 checkpoint lies" if unused == 1 else f"{unused} checkpoints lie"
        return [f"{what} unused in the store: made by other training code; `harness store prune --yes` removes such"]

    # ---- at the end -------------------------------------------------------------------------------

    def came_to_something(self) -> bool:
        """Whether the session has any result to show."""
        return bool(self.verdicts or self.run.log.measured or any(self._stored(key) for *_, key in self.wanted))

    def _stored(self, key: str) -> bool:
        return self.run.setup.store.holds("evaluations", key)

    def note_failures(self) -> None:
        """Note the jobs that failed without failing a test: floors and references."""
        ended = [(job.name, job.error) for job in self.run.jobs.jobs.values() if job.error is not None]
        failed = [(name, error) for name, error in ended if not isinstance(error, Spared)]
        failed += [(key[:8], error) for key, error in self.run.log.failed.items()]
        for name, error in failed:
            words = error.message if isinstance(error, HarnessError) else repr(error)
            if not self.broken:
                self.run.log.notes.append(f"{name} failed: {words}")

    def finish(self) -> None:
        """Ingest the results and write the report; where nothing changed since the newest session, point to its report."""
        key = self._key()
        known = read_latest(self.outputs.reports)
        paths = [Path(path) for path in known.get("paths", [])]
        made = self.run.log.trained or self.run.log.measured
        if known.get("key") == key and not made and all(path.exists() for path in (*paths, self.outputs.results)):
            self.text, self.paths = known["text"], paths
        else:
            self._publish()
        self.outputs.reports.mkdir(parents=True, exist_ok=True)
        latest = {"key": None if self.trouble else key, "text": self.text, "paths": [str(path) for path in self.paths]}
        write_whole(
            self.outputs.reports / LATEST,
            json.dumps({**latest, "broken": self.broken + len(self.trouble) + self.interrupted}),
        )

    def _key(self) -> str:
        """A digest of all that the report shows."""
        return digest(
            [
                sorted(key for *_, key in self.wanted if self._stored(key)),
                {s.id: self.run.keys.fingerprint(s) for s in self.subjects.values()},
                [plain(self.verdicts[gate]) for gate in sorted(self.verdicts)],  # judged in the order they became ready
                str(self.outputs.results.resolve()),
                [[baseline.name, baseline.set_at] for baseline in all_of(self.run.setup.store)],
                [plain(report) for report in self.run.setup.reports],
                self.interrupted,
                self.run.setup.options.exact,
                self._better(),
                list(self._compared),
            ]
        )

    def _publish(self) -> None:
        """Write the session's rows into the store, ingest the store into the warehouse, and write the report from that.

        Where the results file cannot be written, because another process reads it for one, the report is written from
        another that is not kept.
        """
        session = self._rows()
        try:
            with disk_errors_explained("writing the session's results"):
                unseen = write_session(self.run.setup.store, session)
                self._report_from(self.outputs.results, session.run_id)
            if unseen:
                self.run.log.notes.append(f"other machines do not see this session's verdicts yet: {unseen.message}")
            if waiting := self.run.setup.store.unsent:
                self.run.log.notes.append(f"not sent to {self.run.setup.store.where} yet: {', '.join(waiting)}")
        except HarnessError as error:
            with suppress(HarnessError, OSError), TemporaryDirectory() as folder:
                self._report_from(Path(folder) / "results.duckdb", session.run_id)
            self.trouble.append(f"{error.message}\n      The results are in the store; the next session ingests them.")
        except Exception as error:  # a fault of this program, which must not take pytest's own summary with it
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.trouble.append(
                f"the report could not be drawn: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
                "\n      This is a fault of the harness. The results are in the store; `harness report` draws it again."
            )

    def _report_from(self, results: Path, run_id: str) -> None:
        from harness import warehouse
        from harness.report.write import write_reports

        with warehouse.connect(results) as connection:
            warehouse.ingest(connection, self.run.setup.store)
            written = write_reports(connection, run_id, self.run.setup.reports, self.outputs.reports)
        self.text, self.paths, self.trouble = written.text, written.paths, written.trouble

    # ---- rows of the warehouse --------------------------------------------------------------------

    def _rows(self) -> SessionRows:
        run = self._run_row()
        run_id = run["run_id"]
        measured = {
            (subject, suite): {"run_id": run_id, "subject": subject, "suite": suite, "evaluation": key}
            for subject, suite, key in self.wanted
            if self._stored(key)
        }
        gates = [verdict.row(run_id) for verdict in self.verdicts.values()]
        subjects = [self._subject_row(run_id, subject) for subject in self.subjects.values()]
        compared = ([row | {"run_id": run_id} for row in rows] for rows in self._compared)
        return SessionRows(run, subjects, gates, list(measured.values()), *compared)

    @cached_property
    def _compared(self) -> tuple[list[Json], list[Json]]:
        """Rows of every sweep, and of every curriculum, that the session took part of; without the run's name."""
        sweeps: list[Json] = []
        lessons: list[Json] = []
        if self.run.setup.options.limit is not None:
            return sweeps, lessons  # a quick look compares nothing
        project, results = self.run.setup.project, self.run.results
        used = {subject.recipe.name for subject in self.subjects.values()}
        for sweep in [sweep for name, sweep in project.sweeps.items() if name in used]:
            with self._noted(sweep.recipe.name):
                sweeps += [row for one in compare_settings(project, results, sweep) for row in one.rows("")]
        for curriculum in project.curricula.values():
            if used & {recipe.name for recipe in curriculum.recipes}:
                with self._noted(curriculum.name):
                    lessons += [row for one in what_was_learnt(project, results, curriculum) for row in one.rows("")]
        return sweeps, lessons

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        """A comparison that cannot be made becomes a note; the session's results are kept without it."""
        try:
            yield
        except HarnessError as error:
            self.run.log.notes.append(f"{what} is not compared: {error.message}")
        except Exception as error:  # a fault of this program, which must not take the session's results with it
            self.run.log.notes.append(
                f"{what} is not compared, by a fault of the harness: {type(error).__name__}: {error}"
            )

    def _run_row(self) -> Json:
        started, options = datetime.fromtimestamp(self.begun, UTC), self.run.setup.options
        return {
            "project": self.run.setup.store.project,
            "run_id": f"{started:%Y%m%dT%H%M%S}-{os.urandom(3).hex()}",
            "started_at": started.replace(tzinfo=None).isoformat(timespec="milliseconds"),
            "seconds": round(time.time() - self.begun, 3),
            "command": self.command,
            "scale": options.scale,
            "devices": ",".join(options.devices),
            "commit_id": commit_of(self.run.setup.root),
            "trained": len(self.run.log.trained),
            "evaluated": len(self.run.log.measured),
            "sample_limit": options.limit,
            "interrupted": self.interrupted,
            "exact": options.exact,
            "better": json.dumps(self._better()),
            "environment": json.dumps(environment(threads())),
        }

    def _better(self) -> dict[str, dict[str, str]]:
        """Suite -> metric -> which of two scores is better, where the suite says so."""
        found = {
            name: {metric.name: metric.better for metric in suite.metrics if metric.better}
            for name, suite in self.suites.items()
        }
        return {name: metrics for name, metrics in found.items() if metrics}

    def _subject_row(self, run_id: str, subject: Subject) -> Json:
        return {
            "run_id": run_id,
            "subject": subject.id,
            "recipe": subject.recipe.name,
            "variant": subject.variant.name,
            "seed": subject.seed,
            "hypothesis": subject.recipe.hypothesis,
            "settings": json.dumps(_settings(subject)),
            "fingerprint": self.run.keys.fingerprint(subject),
            "claims": len(self.run.gates.of_all([subject])),
            "weights": self.run.keys.last(subject).weights.key if subject.lookup is not None else None,
        }


def _settings(subject: Subject) -> list[Json]:
    """The stages as people read them: the model that the first starts from, the rows of each dataset, all settings that
    are not left at None.
    """
    base, found = subject.variant.base, []
    for stage in subject.stages:
        settings = {name: value for name, value in fields_of(stage.settings).items() if value is not None}
        more: Json = {} if stage.eval_steps is None else {"eval_steps": stage.eval_steps}
        if stage.held_out is not None:
            more["held_out"] = stage.held_out.declared(subject.scale)
        data = stage.data.declared(subject.scale)
        found.append({"stage": type(stage).__name__.lower(), "data": data, **settings, **more})
    if subject.lookup is not None:
        settings = {name: value for name, value in fields_of(subject.lookup).items() if name != "data"}
        data = subject.lookup.data.declared(subject.scale)
        found.append({"stage": type(subject.lookup).__name__.lower(), "data": data, **settings})
    if found:
        found[0]["base"] = base.id if isinstance(base, Subject) else base if isinstance(base, str) else plain(base)
    return found


def read_latest(folder: Path) -> Json:
    """The outcome of the newest session; {} where there is none or the note is damaged."""
    try:
        found = json.loads((folder / LATEST).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def as_typed(arguments: Iterable[str]) -> str:
    """The command line of a pytest session."""
    return " ".join(["pytest", *(f'"{argument}"' if " " in argument else argument for argument in arguments)])
