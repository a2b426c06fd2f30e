"""What a session has before anything runs: the project, its store, the options and all keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.reading.rows import Access, load
from harness.data.sources import Mix, Rows, count_with
from harness.environment import commit_of
from harness.errors import DataError
from harness.evaluation import StoredResults
from harness.evaluation.asking.rows import SuiteRows
from harness.files import check_letters
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.fingerprint.keys import Keys
from harness.gates.gate import DeclaredGates
from harness.gates.judge import Judge
from harness.project import REFERENCES, Project, open_project
from harness.project.declared import load_reports
from harness.recipe import Subject
from harness.report.declared import Report
from harness.session.options import Options
from harness.session.settings import settings_of
from harness.store import Store, open_store
from harness.store.baselines import Baseline, bless, read
from harness.suite import Suite

LOCK_FILE = Path("recipes") / "hub.lock.json"  # hub revisions, below a project's root


@dataclass(frozen=True)
class Setup:
    """Project, store, options and keys; for pytest sessions and for the `harness` command."""

    project: Project
    store: Store
    options: Options
    keys: Keys
    baseline: Baseline | None = None
    reports: tuple[Report, ...] = ()

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def gates(self) -> DeclaredGates:
        """All gates."""
        return DeclaredGates(self.project, self.baseline)

    @property
    def results(self) -> StoredResults:
        """The stored results, for judging only."""
        return StoredResults(self.store, self.keys, judging_only=True, typed=self.options.typed)

    @property
    def results_without_data(self) -> StoredResults:
        """The same without reading data: plans can be made, and evaluations that depend on missing data are missing."""
        return StoredResults(
            self.store, replace(self.keys, without_data=True), judging_only=True, typed=self.options.typed
        )

    @property
    def rows(self) -> SuiteRows:
        """The suites' rows and samples."""
        return SuiteRows(self.keys.access)

    @property
    def judge(self) -> Judge:
        """Verdicts on what the store holds."""
        return Judge(self.gates, self.results)

    def count(self, wanted: Rows | Mix) -> int:
        """Number of rows of a dataset at the session's scale; counted once for the same bytes."""
        key = f"rows:{self.keys.rows(wanted, self.options.scale)}"
        if key not in self.store.digests.known:
            self.store.digests.learn(key, len(load(wanted, self.keys.access, raw=True).rows))
        return int(self.store.digests.known[key])

    def evaluations(self, subjects: Sequence[Subject], suites: Iterable[Suite]) -> list[PlannedEvaluation]:
        """Every suite's evaluation of the subjects, and of the `base` and `untrained` beside them."""
        sides = [self.project.other_side(subject, name) for subject in subjects for name in REFERENCES]
        each = {one.id: one for one in [*subjects, *filter(None, sides)]}.values()
        return [self.results.planned(suite, one) for suite in suites for one in each if suite.concerns(one)]

    def with_data(self, subjects: Sequence[Subject], note: Callable[[str], None]) -> list[Suite]:
        """The project's suites whose keys can be worked out for these subjects; of others a note says why not."""
        found = []
        for suite in self.project.suites.values():
            try:
                for subject in [subject for subject in subjects if suite.concerns(subject)]:
                    self.results.planned(suite, subject)
                found.append(suite)
            except DataError as error:
                note(f"suite {suite.name} is left out: {error.problem}")
        return found

    def bless(self, name: str, subjects: Iterable[Subject], suites: Iterable[Suite] | None = None) -> Baseline | None:
        """Record the subjects' stored evaluations, by all suites or these, as a baseline; None where there are none."""
        measured = self.results.measured(subjects, self.project.suites.values() if suites is None else suites)
        return bless(self.store, name, measured, commit_of(self.root)) if measured else None


def store_of(root: Path, given: str | Path | None) -> Store:
    """The store that is named, or the project's own; one outside of its folder may be shared with other projects."""
    settings = settings_of(root)
    folder = given or settings.store
    for path in (root, folder):
        check_letters(path)
    own = "://" not in str(folder) and Path(folder).resolve().is_relative_to(root.resolve())
    return open_store(folder, settings.project or (None if own else settings.called))


def open_setup(root: Path, store: Store, options: Options) -> Setup:
    """The project at `root` under these options."""
    project = open_project(root, options.scale, options.seeds, options.models, options.tasks, options.endpoint)
    project = replace(project, asked=options.asked)
    access = Access(options.scale, options.data_root, options.skip_bad_rows, root / LOCK_FILE)
    keys = Keys(
        root=root,
        access=access,
        files=store.digests,
        suites=lambda: project.suites,
        device=options.devices[0],
        last_lm_eval=lambda: _last_lm_eval(store),
        limit=options.limit,
        models=settings_of(root).models,
        exact=options.exact,
    )
    baseline = read(store, options.baseline) if options.baseline is not None else None
    setup = Setup(project, store, options, keys, baseline, tuple(load_reports(root, Report)))
    count_with(setup.count)
    return setup


def _last_lm_eval(store: Store) -> str | None:
    """The version of lm-eval behind the newest stored evaluation that used it."""
    found = [a.spec["lm_eval"] for a in store.all("evaluations") if a.spec.get("lm_eval")]
    return found[-1] if found else None
