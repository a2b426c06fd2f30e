"""One session's own record: what it used, what it judged; the last steps of the road, warehouse and report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.store.baselines import all_of
from harness.session.bench import Bench
from harness.environment import commit_of
from harness.errors import HarnessError
from harness.fingerprint.values import digest, plain
from harness.gates.gate import Gate
from harness.jobs.job import Job
from harness.recipe import Subject
from harness.store.artifacts import told_when_full
from harness.gates.verdict import Verdict

MATTERS = ("torch", "transformers", "trl", "peft")  # libraries whose minor version is said when it differs
LATEST = "latest.json"  # beside the reports: what the newest session came to


@dataclass
class Session:
    """What a pytest session adds to the results."""

    bench: Bench
    outputs: dict[str, Path]  # results, reports
    arguments: list[str]
    write_report: Callable[[Any, str, Path], tuple[str, list[Path]]]  # connection, run, folder -> text, files
    subjects: dict[str, Subject] = field(default_factory=dict)
    wanted: list[tuple[str, str, str]] = field(default_factory=list)  # subject, suite and key of all asked for
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    text: str = ""  # the terminal's table
    paths: list[Path] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    broken: int = 0  # tests that failed and are no gates
    begun: float = field(default_factory=time.time)

    def forecast(self, gates: list[Gate], jobs: list[Job]) -> list[str]:
        """Lines said before anything runs: what is missing, and what each gate could detect."""
        lines = []
        if jobs:
            trained = [job.name for job in jobs if "measuring" not in job.name]
            lines.append(
                f"to train: {', '.join(trained) or 'nothing'}; to measure: {len(jobs) - len(trained)} checkpoints"
            )
        if jobs and gates:
            from harness.gates.forecast import Forecast

            forecast = Forecast(self.bench)
            lines += [f"  {gate.id}: {forecast.detectable(gate)}" for gate in gates]
        return lines

    def other_versions(self) -> list[str]:
        """Lines on stored checkpoints that were made under other minor versions than are installed now."""
        from harness.environment import environment

        here, lines = environment(), []
        for subject in self.subjects.values():
            artifact = self.bench.artifact(self.bench.planner.chain(subject)[-1])
            made = artifact.record["environment"] if artifact else {}
            differing = [
                f"{name} {made[name]} (here {here[name]})"
                for name in MATTERS
                if name in made and name in here and made[name].split(".")[:2] != here[name].split(".")[:2]
            ]
            if differing:
                lines.append(f"{subject.id}: its checkpoint was made with {', '.join(differing)}; it is used as it is")
        return lines

    def judged_or_measured(self) -> bool:
        """Whether the session came to any result."""
        return bool(self.verdicts or self.bench.evaluated or any(self._stored(key) for *_, key in self.wanted))

    def _stored(self, key: str) -> bool:
        return (self.bench.store.root / "evaluations" / key / "manifest.json").exists()

    def forget_latest(self) -> None:
        """From now until it finishes, no session has come to anything: see `harness report --check`."""
        latest = self.outputs["harness.report"] / LATEST
        known = _latest(latest)
        if known:
            latest.write_text(json.dumps({**known, "broken": 1}))

    def note_failures(self) -> None:
        """Say what failed beside the tests: floors and references that no test waits for."""
        failed = [(job.name, job.error) for job in self.bench.jobs.values() if job.error is not None]
        failed += [(key[:8], error) for key, error in self.bench.suite_errors.items()]
        for name, error in failed:
            told = error.told() if isinstance(error, HarnessError) else repr(error)
            if not self.broken:
                self.bench.notes.append(f"{name} failed: {told}")

    def finish(self) -> None:
        """Ingest, write the report; where nothing changed since the last session, point to what is there."""
        key = digest(
            [
                sorted(key for *_, key in self.wanted if self._stored(key)),
                {s.id: self.bench.planner.fingerprint(s) for s in self.subjects.values()},
                [plain(asdict(v)) for v in self.verdicts.values()],
                str(self.outputs["results"].resolve()),
                [[baseline.name, baseline.set_at] for baseline in all_of(self.bench.store.root)],
            ]
        )
        latest = self.outputs["harness.report"] / LATEST
        known = _latest(latest)
        paths = [Path(path) for path in known.get("paths", [])]
        if (
            known.get("key") == key
            and not self.bench.trained
            and not self.bench.evaluated
            and all(p.exists() for p in (*paths, self.outputs["results"]))
        ):
            self.text, self.paths = known["text"], paths
        else:
            self._publish()
        latest.parent.mkdir(parents=True, exist_ok=True)
        written = {"key": None if self.trouble else key, "text": self.text, "paths": [str(p) for p in self.paths]}
        temporary = latest.with_suffix(".tmp")
        temporary.write_text(json.dumps({**written, "broken": self.broken + len(self.trouble)}))
        temporary.replace(latest)

    def _publish(self) -> None:
        """The session's rows into the store, the store's into the warehouse, the warehouse into the report."""
        from harness import warehouse

        run = self._run()
        measured = {
            (subject, suite): {"run_id": run["run_id"], "subject": subject, "suite": suite, "evaluation": key}
            for subject, suite, key in self.wanted
            if self._stored(key)
        }
        rows = self._subject_rows(run["run_id"]), self._gate_rows(run["run_id"]), list(measured.values())
        try:
            with told_when_full("writing the session's results"):
                warehouse.write_session(self.bench.store.root, run, *rows)
                with warehouse.connect(self.outputs["results"]) as connection:
                    warehouse.ingest(connection, self.bench.store)
                    self.text, self.paths = self.write_report(connection, run["run_id"], self.outputs["harness.report"])
        except HarnessError as error:
            self.trouble.append(f"{error.told()}\n      The results are in the store; the next session ingests them.")

    def _run(self) -> dict[str, Any]:
        from harness.jobs.devices import threads
        from harness.environment import environment

        started = datetime.fromtimestamp(self.begun, UTC)
        return {
            "run_id": f"{started:%Y%m%dT%H%M%S}-{os.urandom(3).hex()}",
            "started_at": started.replace(tzinfo=None).isoformat(timespec="milliseconds"),
            "seconds": round(time.time() - self.begun, 3),
            "command": " ".join(["pytest", *map(_quoted, self.arguments)]),
            "scale": self.bench.options.scale,
            "devices": ",".join(self.bench.options.devices),
            "commit_id": commit_of(self.bench.root),
            "trained": len(self.bench.trained),
            "evaluated": len(self.bench.evaluated),
            "environment": json.dumps(environment(threads())),
        }

    def _subject_rows(self, run_id: str) -> list[dict[str, Any]]:
        rows = []
        for subject in self.subjects.values():
            stages = []
            for stage in subject.stages:
                settings = {
                    k: v for k, v in plain(stage).items() if k not in ("is", "data", "held_out") and v is not None
                }
                data = [part.dataset.name for part in stage.data.parts]
                stages.append({"stage": type(stage).__name__.lower(), "data": data, **settings})
            rows.append(
                {
                    "run_id": run_id,
                    "subject": subject.id,
                    "recipe": subject.recipe.name,
                    "variant": subject.variant.name,
                    "seed": subject.seed,
                    "hypothesis": subject.recipe.hypothesis,
                    "settings": json.dumps(stages),
                    "fingerprint": self.bench.planner.fingerprint(subject),
                }
            )
        return rows

    def _gate_rows(self, run_id: str) -> list[dict[str, Any]]:
        rows = [{"run_id": run_id, **asdict(verdict)} for verdict in self.verdicts.values()]
        return [{**row, "loudest": json.dumps(row["loudest"])} for row in rows]


def _latest(path: Path) -> dict[str, Any]:
    """What the newest session came to; nothing where that is not known."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument
