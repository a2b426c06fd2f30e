"""The hooks: options, collection, the fixtures `checkpoint`, `evaluate`, `verdict` and one per recipe.

Each hook hands over to an ordinary object: a `Setup` before anything runs, then a `Run` and its `Record`.
`harness.plugin` loads them in projects with recipes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from signal import SIG_DFL, SIGTERM, default_int_handler, getsignal, signal
from threading import current_thread, main_thread
from typing import Any

import pytest

from harness.errors import HarnessError, NotOffered, Spared
from harness.evaluation import Checkpoint, Evaluation
from harness.gates.gate import Gate
from harness.gates.verdict import Verdict
from harness.plugin import is_project
from harness.plugin.command_line import ONE_SESSION, pytest_addoption, pytest_cmdline_main, selected_by  # noqa: F401  (hooks)
from harness.plugin.gate_tests import SuiteModule, gates_of_file, judges_by_itself, test_gate
from harness.recipe import Subject
from harness.session import github
from harness.session.ending import closing, spelled
from harness.session.options import read_options
from harness.session.record import Outputs, Record, as_typed
from harness.session.run import Run
from harness.session.selection import (
    Selection,
    beyond,
    marks_of,
    measures_nothing,
    misspelt_words,
    notes_on,
    paired_by_variant,
    subjects_for,
    suites_named,
    why_beyond,
)
from harness.session.settings import settings_of
from harness.session.setup import Setup, open_setup, store_of
from harness.suite import Suite

SETUP = pytest.StashKey[Setup]()
OUTPUTS = pytest.StashKey[Outputs]()
RECORD = pytest.StashKey[Record]()
SIGTERM_IS_OURS = pytest.StashKey[bool]()
OF_TASKS = pytest.StashKey[set[str]]()  # node ids of tests that ask for the tasks of --tasks


# ---- before collection --------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gate: a claim or target, judged on stored rows")
    config.addinivalue_line("markers", "gpu: needs a CUDA device")
    config.addinivalue_line("markers", "network: needs the network")
    root = config.rootpath
    if not is_project(root):
        return
    with _usage_errors():
        options = replace(read_options(config.getoption, settings_of(root)), asked=selected_by(config))
        config.stash[SETUP] = open_setup(root, store_of(root, config.getoption("--store")), options)
        config.stash[OUTPUTS] = Outputs.of(root, config.getoption("--results"))
    config.stash[OF_TASKS] = set()
    for word in {recipe.on_request for recipe in config.stash[SETUP].project.recipes.values()} - {""}:
        config.addinivalue_line("markers", f"{word}: recipes that are run on request")


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(SIGTERM_IS_OURS, False):
        signal(SIGTERM, SIG_DFL)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn a HarnessError into pytest's usage error: one message, exit status 4."""
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(error.message) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    setup = config.stash.get(SETUP, None)
    if setup is None:
        return []
    why = (
        "--scale" if config.getoption("--scale")
        else "pyproject.toml" if settings_of(setup.root).scale
        else "--gpu is set" if config.getoption("--gpu")
        else "no --gpu, no --scale"
    )  # fmt: skip
    devices = ", ".join(setup.options.devices) + (" in float32 (--exact)" if setup.options.exact else "")
    limit = f", at most {setup.options.limit} samples of a suite (--limit)" if setup.options.limit else ""
    first = f"harness: scale {setup.options.scale} ({why}), device {devices}, store {setup.store.where}{limit}"
    left_out = [f"left out: {', '.join(names)}; -k {word} takes them" for word, names in setup.project.left_out.items()]
    return [first, *left_out, *([config.stash[ONE_SESSION]] if ONE_SESSION in config.stash else [])]


# ---- collection ---------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    setup = session.config.stash.get(SETUP, None)
    if setup is not None and current_thread() is main_thread() and getsignal(SIGTERM) is SIG_DFL:
        session.config.stash[SIGTERM_IS_OURS] = True
        signal(SIGTERM, default_int_handler)  # by which schedulers end a job: as after Ctrl-C, with summary and report
    for recipe in setup.project.names if setup else ():
        pytest.register_fixture(
            name=recipe, func=_recipe_fixture(recipe), node=session, params=None, autouse=False, scope="function"
        )


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    setup = parent.config.stash.get(SETUP, None)
    if setup is None or module_path.parent != setup.root / "suites" or judges_by_itself(setup.root):
        return None
    module = SuiteModule.from_parent(parent, path=module_path)
    module.gates = setup.gates
    return module


def _recipe_fixture(name: str) -> Callable[..., Checkpoint]:
    def recipe(request: pytest.FixtureRequest) -> Checkpoint:
        return _checkpoint(request)

    recipe.__doc__ = f"The checkpoint of recipe {name}, trained if it is missing."
    return recipe


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    setup = metafunc.config.stash.get(SETUP, None)
    if setup is None:
        return
    asked = {name for name in metafunc.fixturenames if _is_ours(metafunc, name)} - _parametrized_by_itself(metafunc)
    with _usage_errors():
        if "checkpoint" in asked:
            subjects = subjects_for(setup.project, suites_named(metafunc.function, metafunc.module))
            metafunc.parametrize("checkpoint", subjects, ids=[s.id for s in subjects], indirect=True)
        if "task" in asked:
            tasks = setup.project.task_suites
            metafunc.parametrize("task", tasks, ids=[task.name for task in tasks])
            metafunc.config.stash[OF_TASKS].add(metafunc.definition.nodeid)
        if "verdict" in asked:
            of_file = metafunc.function is test_gate
            every = setup.gates
            gates = gates_of_file(every, metafunc.module) if of_file else every.of_all(setup.project.subjects())
            metafunc.parametrize("verdict", gates, ids=[gate.id for gate in gates], indirect=True)
        recipes = [name for name in metafunc.fixturenames if name in setup.project.names and name in asked]
        if recipes:
            rows = paired_by_variant(setup.project, recipes)
            values = [row if len(recipes) > 1 else row[0] for row in rows.values()]
            metafunc.parametrize(",".join(recipes), values, ids=list(rows), indirect=True)


def _is_ours(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether a test gets the plugin's fixture of that name, rather than one that its own module defines."""
    defined = metafunc._arg2fixturedefs.get(name, ())
    return not defined or defined[-1].func.__module__ == __name__


def _parametrized_by_itself(metafunc: pytest.Metafunc) -> set[str]:
    """Arguments that the test's own @pytest.mark.parametrize fills, whatever they are called."""
    names: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        argnames = mark.kwargs.get("argnames", mark.args[0] if mark.args else ())
        names |= {name.strip() for name in argnames.split(",")} if isinstance(argnames, str) else set(argnames)
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    setup = config.stash.get(SETUP, None)
    if setup is None:
        return
    without = [item for item in items if measures_nothing(_parameters(item))]
    if not setup.options.tasks:  # pytest makes a skipped item of an empty list
        without += [item for item in items if item.nodeid.split("[")[0] in config.stash[OF_TASKS]]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if item not in without]
    for item in items:
        parameters = _parameters(item)
        recipes = [name for name in parameters if name in setup.project.names]
        if len(recipes) == 1:  # -k wiki_only must not train the other side of a test that asks for two
            item.extra_keyword_matches.add(recipes[0])
        for mark in marks_of(parameters):
            item.add_marker(mark)
    items.sort(key=lambda item: item.get_closest_marker("gate") is not None)
    for note in notes_on(setup, _selection(items), bool(config.stash[OF_TASKS]), judges_by_itself(setup.root)):
        _write_line(config, note)
    if config.option.keyword:
        names = [" ".join([item.nodeid, *item.extra_keyword_matches]) for item in items]
        for note in misspelt_words(config.option.keyword, names, setup.project):
            _write_line(config, note)


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    setup = config.stash.get(SETUP, None)
    if setup is None:
        return
    selection = _selection(session.items)
    if not selection:
        return
    with _usage_errors():
        subjects = [*selection.subjects, *(gate.subject for gate in selection.gates)]
        for note in setup.gates.check({subject.id: subject for subject in subjects}.values()):
            _write_line(config, note)
    if config.option.collectonly:
        return
    with _usage_errors():
        config.stash[OUTPUTS].check_writable(setup.store)
        run = Run(setup)
        command = as_typed(config.invocation_params.args)
        record = config.stash[RECORD] = Record(run, config.stash[OUTPUTS], command)
        wanted = run.wanted(selection)
        record.note_wanted(wanted)
        run.plan(wanted)
        for line in record.opening(selection.gates):
            _write_line(config, line)
        run.start()


def _selection(items: list[pytest.Item]) -> Selection:
    selection = Selection()
    for item in items:
        if isinstance(item, pytest.Function):
            selection.add(_parameters(item), partial(suites_named, item.function, item.module))
    return selection


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    """Argument -> what the test is parametrized with: subjects, suites, gates, or a user's own values."""
    return getattr(getattr(item, "callspec", None), "params", {})


# ---- running ------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, HarnessError):
        report.longrepr = error.message
    verdict = getattr(item, "funcargs", {}).get("verdict")
    record = item.config.stash.get(RECORD, None)
    if record is not None and report.failed and not isinstance(verdict, Verdict):
        record.broken += 1
    if isinstance(verdict, Verdict) and call.when == "call":
        _record_properties(item, verdict)
        if report.failed and _in_one_line(verdict.message) in _in_one_line(error):  # not what else the test may assert
            report.longrepr = verdict.message
            if verdict.verdict == "inconclusive" and not item.config.stash[SETUP].options.strict_gates:
                report.outcome = "passed"
                report.longrepr = None
                report.inconclusive = verdict.message  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]


def _in_one_line(text: object) -> str:
    return " ".join(str(text).split())


def _record_properties(item: pytest.Item, verdict: Verdict) -> None:
    """Write the verdict into a JUnit file as properties. The schema of xunit2 allows none on a test, so they are named
    after the gate and set on the whole suite of tests; with `-o junit_family=xunit1` they are the test's own."""
    from _pytest.junitxml import xml_key

    xml = item.config.stash.get(xml_key, None)
    if xml is None or xml.family != "xunit2":
        item.user_properties += verdict.properties
    else:
        for name, value in verdict.properties:
            xml.add_global_property(f"{verdict.gate}.{name}", value)


def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    if getattr(report, "inconclusive", None):
        return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
    return None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    setup, record = session.config.stash.get(SETUP, None), session.config.stash.get(RECORD, None)
    if record is None:
        if setup is not None:
            setup.store.digests.remember()
        return
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    record.interrupted = not ended or bool(session.shouldfail or session.shouldstop)
    if ended:
        if not record.interrupted:  # floors have no test of their own that waits for them
            _wait_until(session.config, record.run, record.run.has_ended)
        record.note_failures()
    record.run.stop()
    if record.came_to_something():
        record.finish()


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    record = config.stash.get(RECORD, None)
    if record is None:
        return
    for report in terminalreporter.stats.get("inconclusive", []):
        terminalreporter.section(f"INCONCLUSIVE {report.nodeid.split('::')[-1]}", sep="_", yellow=True)
        _write_line(config, report.inconclusive)
    if record.text or record.trouble:
        terminalreporter.section("results", sep="=")
        _write_line(config, record.text)
    for line in closing(record):
        _write_line(config, line)
    terminalreporter.ensure_newline()  # a workflow command counts at the start of a line only
    github.show(record, terminalreporter.write_line)


# ---- fixtures -----------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """The weights of one recipe and variant, trained if they are missing."""
    return _checkpoint(request)


def _checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    run, subject = request.config.stash[RECORD].run, request.param
    assert isinstance(subject, Subject)
    _wait_until(request.config, run, partial(run.is_trained, subject))
    try:
        return run.checkpoint(subject)
    except Spared as error:
        pytest.skip(error.problem)


@pytest.fixture
def evaluate(request: pytest.FixtureRequest) -> Callable[[Suite, Checkpoint], Evaluation]:
    """Measure a checkpoint by a suite, or take the stored evaluation."""
    run = request.config.stash[RECORD].run

    def evaluate(suite: Suite, checkpoint: Checkpoint) -> Evaluation:
        if beyond(suite, checkpoint.subject):
            pytest.skip(f"{suite.name} does not measure {checkpoint.name}: {why_beyond(suite, checkpoint.subject)}")
        _wait_until(request.config, run, partial(run.is_measured, suite, checkpoint.subject))
        try:
            return run.evaluation(suite, checkpoint.subject)
        except NotOffered as error:  # by a server, of all that a suite may ask
            pytest.skip(error.problem)

    return evaluate


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """The verdict on one claim or target; skips, with the command, where the other side is missing."""
    record, gate = request.config.stash[RECORD], request.param
    assert isinstance(gate, Gate)
    _wait_until(request.config, record.run, partial(record.run.can_judge, gate))
    judged = record.verdicts[gate.id] = record.run.verdict(gate)
    if judged.verdict == "skipped":
        pytest.skip(judged.message)
    return judged


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Any:
    """A read-only DuckDB connection to all results ingested so far."""
    with request.config.stash[OUTPUTS].reading() as connection:
        yield connection


def _wait_until(config: pytest.Config, run: Run, done: Callable[[], bool]) -> None:
    """Wait with a bar for every running job, or a line every ten seconds where there is no terminal."""
    if done():
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if config.pluginmanager.getplugin("terminalreporter") is None or capture is None:
        while not done():
            time.sleep(0.05)
        return
    with capture.global_and_fixture_disabled():
        run.show_until(done, sys.stdout)


def _write_line(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        # the encoding of the stream that pytest writes to
        reporter.write_line(spelled(line, getattr(reporter._tw._file, "encoding", None) or "utf-8"))
