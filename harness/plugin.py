"""The pytest plugin: options, collection, the fixtures `checkpoint`, `evaluate`, `verdict` and one per recipe.

Hooks hand over to a `Bench`; loaded one way only, by `pytest_plugins` in the root conftest.py.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.session import github
from harness.jobs import missing as graph
from harness.gates.stopping import stopping_rule
from harness.project.command_line import task_suite
from harness.session.bench import Bench, Checkpoint, open_store
from harness.errors import HarnessError
from harness.evaluation.evaluation import Evaluation
from harness.gates.gate import Gate, all_gates, judge, other_side
from harness.jobs.job import Job
from harness.session.options import read_options
from harness.recipe import Subject
from harness.session.record import Session
from harness.suite import Suite
from harness.gates.verdict import Verdict

BENCH = pytest.StashKey[Bench]()
SESSION = pytest.StashKey[Session]()
OUTPUTS = pytest.StashKey[dict[str, Path]]()


# ---- options ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "fine-tuning experiments")
    group.addoption("--gpu", metavar="0[,1,...]", help="CUDA devices to train and measure on (default: the CPU)")
    group.addoption("--scale", metavar="mini|small|full", help="which variants (default: full with --gpu, else mini)")
    group.addoption("--data-root", metavar="DIR", help="where real data files lie")
    group.addoption("--skip-bad-rows", action="store_true", help="list and leave out rows that cannot be read")
    group.addoption("--store", metavar="DIR", help="where checkpoints and evaluations are kept (default: .bench/store)")
    group.addoption("--results", metavar="FILE", help="the DuckDB file (default: .bench/results.duckdb)")
    group.addoption("--no-train", action="store_true", help="judge what is stored; train and measure nothing")
    group.addoption("--retrain", action="store_true", help="train the selected recipes again")
    group.addoption("--reevaluate", action="store_true", help="measure the selected suites again")
    group.addoption("--seeds", type=int, default=1, metavar="N", help="train each recipe with N seeds")
    group.addoption("--baseline", metavar="NAME", help="judge guarded metrics against that baseline: no worse")
    group.addoption("--strict-gates", action="store_true", help="an inconclusive gate fails")
    group.addoption("--adaptive", action="store_true", help="stop a suite once its gates are decided")
    group.addoption(
        "--model", action="append", default=[], metavar="PATH|HUB_ID", help="measure an existing model; repeatable"
    )
    group.addoption(
        "--tasks", metavar="a,b", help="measure by these tasks of lm-eval too: names, or task files (.yaml)"
    )
    group.addoption("--track", metavar="wandb|tensorboard|mlflow", help="hand training logs to that tracker")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gate: a claim or target, judged on stored rows")
    config.addinivalue_line("markers", "gpu: needs a CUDA device")
    config.addinivalue_line("markers", "network: needs the network")
    root = config.rootpath
    if not (root / "recipes").is_dir():
        return
    with _usage_errors():
        options = read_options(config.getoption)
        bench = Bench.open(root, open_store(config.getoption("--store") or root / ".bench" / "store"), options)
    if options.adaptive:
        bench.stopping_rule = partial(stopping_rule, bench)
    config.stash[BENCH] = bench
    results = config.getoption("--results")
    config.stash[OUTPUTS] = {
        "results": Path(results) if results else root / ".bench" / "results.duckdb",
        "harness.report": root / ".bench" / "harness.report",
    }


class _usage_errors:
    """Turns what is wrong with a user's input into pytest's own usage error: one message, exit status 4."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, HarnessError):
            raise pytest.UsageError(error.told()) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    bench = config.stash.get(BENCH, None)
    if bench is None:
        return []
    why = (
        "--scale"
        if config.getoption("--scale")
        else "--gpu is set"
        if config.getoption("--gpu")
        else "no --gpu, no --scale"
    )
    return [
        f"harness: scale {bench.options.scale} ({why}), device {', '.join(bench.options.devices)}, store {bench.store.root}"
    ]


# ---- collection ---------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    bench = session.config.stash.get(BENCH, None)
    for recipe in bench.recipes if bench else ():
        pytest.register_fixture(
            name=recipe, func=_recipe_fixture(recipe), node=session, params=None, autouse=False, scope="function"
        )


def _recipe_fixture(name: str) -> Callable[..., Checkpoint]:
    def recipe(request: pytest.FixtureRequest) -> Checkpoint:
        return _checkpoint(request)

    recipe.__doc__ = f"The checkpoint of recipe {name}, trained if it is missing."
    return recipe


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    bench = metafunc.config.stash.get(BENCH, None)
    if bench is None:
        return
    with _usage_errors():
        own = _parametrized_by_itself(metafunc)
        if "checkpoint" in set(metafunc.fixturenames) - own:
            subjects = bench.subjects()
            suites = _suites_named(metafunc.function, metafunc.module)
            subjects = [subject for subject in subjects if all(suite.concerns(subject) for suite in suites)]
            metafunc.parametrize("checkpoint", subjects, ids=[s.id for s in subjects], indirect=True)
        if "task" in set(metafunc.fixturenames) - own:
            tasks = [bench.suites[task_suite(task).name] for task in bench.options.tasks]
            metafunc.parametrize("task", tasks, ids=[task.name for task in tasks])
        if "verdict" in set(metafunc.fixturenames) - own:
            gates = all_gates(bench, bench.subjects())
            metafunc.parametrize("verdict", gates, ids=[gate.id for gate in gates], indirect=True)
        asked = [name for name in metafunc.fixturenames if name in bench.recipes and name not in own]
        if asked:
            _parametrize_recipes(metafunc, bench, asked)


def _parametrized_by_itself(metafunc: pytest.Metafunc) -> set[str]:
    """Arguments that the test's own @pytest.mark.parametrize fills, whatever they are called."""
    names: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        argnames = mark.kwargs.get("argnames", mark.args[0] if mark.args else ())
        names |= {name.strip() for name in argnames.split(",")} if isinstance(argnames, str) else set(argnames)
    return names


def _parametrize_recipes(metafunc: pytest.Metafunc, bench: Bench, asked: list[str]) -> None:
    """Recipe fixtures of one test, paired by variant and seed."""
    by_recipe: dict[str, dict[str, Subject]] = {name: {} for name in asked}
    for subject in bench.subjects():
        if subject.recipe.name in by_recipe:
            by_recipe[subject.recipe.name][subject.id.removeprefix(f"{subject.recipe.name}-")] = subject
    shared = [variant for variant in by_recipe[asked[0]] if all(variant in found for found in by_recipe.values())]
    rows = [tuple(by_recipe[name][variant] for name in asked) for variant in shared]
    metafunc.parametrize(
        ",".join(asked), rows if len(asked) > 1 else [row[0] for row in rows], ids=shared, indirect=True
    )


def _suites_named(function: Any, module: Any) -> list[Suite]:
    """The suites that a test function names."""
    found = [getattr(module, name, None) for name in function.__code__.co_names]
    return [value for value in found if isinstance(value, Suite)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    bench = config.stash.get(BENCH, None)
    if bench is None:
        return
    if not bench.options.tasks:  # pytest makes a skipped item of an empty list
        without = [item for item in items if "task" in getattr(item, "fixturenames", ())]
        if without:
            config.hook.pytest_deselected(items=without)
            items[:] = [item for item in items if item not in without]
    for item in items:
        recipes = [name for name in getattr(item, "fixturenames", ()) if name in bench.recipes]
        if len(recipes) == 1:  # -k wiki_only must not train the other side of a test that asks for two
            item.extra_keyword_matches.add(recipes[0])
        if "verdict" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.gate)
    items.sort(key=lambda item: item.get_closest_marker("gate") is not None)
    for word in _words_matching_nothing(config.option.keyword, items):
        close = difflib.get_close_matches(word, [*bench.recipes, *bench.suites], n=1)
        meant = f"did you mean {close[0]}?" if close else f"recipes: {', '.join(bench.recipes)}"
        _write_line(config, f"note: -k names {word}, which no test's name holds; {meant}")


def _words_matching_nothing(expression: str, items: list[pytest.Item]) -> list[str]:
    """Words of a -k expression that no collected test would match: mistyped, most often."""
    words = [word for word in re.findall(r"[\w-]+", expression) if word not in ("and", "or", "not")]
    names = [" ".join([item.nodeid, *item.extra_keyword_matches]).lower() for item in items]
    return [word for word in words if not any(word.lower() in name for name in names)]


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    bench = config.stash.get(BENCH, None)
    if bench is None or config.option.collectonly:
        return
    checkpoints, evaluations, gates = _wanted(session.items)
    if not checkpoints and not evaluations and not gates:
        return
    record = config.stash[SESSION] = Session(
        bench, config.stash[OUTPUTS], list(config.invocation_params.args), _write_report
    )
    record.forget_latest()
    with _usage_errors():
        if bench.options.train:
            bench.pin_revisions()
        references: list[tuple[Suite, Subject]] = []
        for gate in gates:
            for subject in [gate.subject] if gate.kind == "regression" else bench.seeds_of(gate.subject):
                evaluations += [(bench.suite_named(name), subject) for name in gate.suites]
                references += _references_of(bench, gate, subject, checkpoints)
        references += _floors_of(bench, evaluations)
        jobs = graph.missing_jobs(bench, checkpoints, evaluations, references)
        evaluations += references
        record.subjects = {s.id: s for s in [*checkpoints, *(s for _, s in evaluations)]}
        record.wanted = [(s.id, suite.name, bench.evaluation_key(suite, s)) for suite, s in evaluations]
    with _usage_errors():
        lines = [*record.other_versions(), *record.forecast(gates, jobs)]
    for line in lines:
        _write_line(config, line)
    with _usage_errors():
        graph.start(bench, jobs)


def _wanted(items: list[pytest.Item]) -> tuple[list[Subject], list[tuple[Suite, Subject]], list[Gate]]:
    """What the collected tests will ask for."""
    checkpoints: list[Subject] = []
    evaluations: list[tuple[Suite, Subject]] = []
    gates: list[Gate] = []
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if isinstance(params.get("verdict"), Gate):
            gates.append(params["verdict"])
            continue
        subjects = [value for value in params.values() if isinstance(value, Subject)]
        suites = [value for value in params.values() if isinstance(value, Suite)]
        if subjects and isinstance(item, pytest.Function):
            suites += _suites_named(item.function, item.module)
        checkpoints += subjects
        evaluations += [(suite, subject) for suite in suites for subject in subjects]
    return checkpoints, evaluations, gates


def _references_of(bench: Bench, gate: Gate, subject: Subject, selected: list[Subject]) -> list[tuple[Suite, Subject]]:
    """The evaluations of a gate's references, where no training but the selected would be needed."""
    suite = bench.suite_named(gate.claim.suite)
    made = {p.key for s in [*selected, subject] for p in bench.planner.chain(s)}
    others = [other_side(bench, subject, name) for name in gate.references]
    return [(suite, o) for o in others if o is not None and all(p.key in made for p in bench.needs_training(o))]


def _floors_of(bench: Bench, evaluations: list[tuple[Suite, Subject]]) -> list[tuple[Suite, Subject]]:
    """The untrained model beside every multiple-choice result."""
    found = {(suite.name, subject.id): (suite, other) for suite, subject in evaluations if suite.floors
             if (other := other_side(bench, subject, "untrained")) is not None}  # fmt: skip
    return list(found.values())


# ---- running ------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, HarnessError):
        report.longrepr = error.told()
    verdict = getattr(item, "funcargs", {}).get("verdict")
    record = item.config.stash.get(SESSION, None)
    if record is not None and report.failed and not isinstance(verdict, Verdict):
        record.broken += 1
    if isinstance(verdict, Verdict) and call.when == "call":
        strict = item.config.stash[BENCH].options.strict_gates
        _record_properties(item, verdict)
        if report.failed and verdict.message in str(error):  # not what else the test may assert
            report.longrepr = verdict.message
            if verdict.verdict == "inconclusive" and not strict:
                report.outcome = "passed"
                report.longrepr = None
                report.inconclusive = verdict.message  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]


def _record_properties(item: pytest.Item, verdict: Verdict) -> None:
    """The verdict as properties of a JUnit file: named after the gate on the whole suite of tests, since the schema of
    xunit2 knows none of a test; on the test itself with `-o junit_family=xunit1`."""
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
    bench, record = session.config.stash.get(BENCH, None), session.config.stash.get(SESSION, None)
    if bench is not None and record is not None and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        if not session.shouldfail and not session.shouldstop:  # floors have no test of their own that waits for them
            _show_until(session.config, bench, lambda: all(job.ended.is_set() for job in bench.jobs.values()))
        record.note_failures()
    if bench is not None:
        bench.stop()
    if record is not None and record.judged_or_measured():
        record.finish()


def _write_report(connection: Any, run_id: str, folder: Path) -> tuple[str, list[Path]]:
    """The session's report as HTML and Markdown, and its tables as text for the terminal."""
    import io

    from rich.console import Console

    import harness.report

    content = reports.load(connection, run_id)
    paths = [folder / "report.html", folder / "report.md"]
    reports.write_html(content, paths[0])
    reports.write_markdown(content, paths[1])
    terminal = os.isatty(1)
    width = min(120, os.get_terminal_size().columns) if terminal else 100
    stream = io.StringIO()
    reports.print_terminal(content, Console(file=stream, width=width, no_color=not terminal, force_terminal=terminal))
    return stream.getvalue().rstrip(), paths


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    record = config.stash.get(SESSION, None)
    if record is None:
        return
    for report in terminalreporter.stats.get("inconclusive", []):
        terminalreporter.section(f"INCONCLUSIVE {report.nodeid.split('::')[-1]}", sep="_", yellow=True)
        terminalreporter.write_line(report.inconclusive)
    if record.text or record.trouble:
        terminalreporter.section("results", sep="=")
        terminalreporter.write_line(record.text)
    for judged in record.verdicts.values():
        if judged.verdict == "skipped" and judged.gate not in record.text:
            terminalreporter.write_line(f"skipped: {judged.gate}: {judged.message}")
    for note in [*record.bench.notes, *record.trouble]:
        terminalreporter.write_line(f"note: {note}")
    spared = record.bench.spared
    if spared:
        asked, all_of = sum(of - n for _, n, of in spared), sum(of for *_, of in spared)
        terminalreporter.write_line(
            f"--adaptive spared {all_of - asked:,} of {all_of:,} samples ({(all_of - asked) / all_of:.0%}): "
            + ", ".join(f"{name} after {of - n:,} of {of:,}" for name, n, of in spared)
        )
    for path in record.paths:
        terminalreporter.write_line(f"report: {path}")
    terminalreporter.ensure_newline()  # a workflow command counts at the start of a line only
    github.tell(record, terminalreporter.write_line)


# ---- fixtures -----------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """The weights of one recipe and variant, trained if they are missing."""
    return _checkpoint(request)


def _checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    bench = request.config.stash[BENCH]
    subject: Subject = request.param
    job = bench.job_of_checkpoint(subject)
    _show_until(request.config, bench, lambda: job is None or job.ended.is_set())
    return bench.checkpoint(subject)


@pytest.fixture
def evaluate(request: pytest.FixtureRequest) -> Callable[[Suite, Checkpoint], Evaluation]:
    """Measure a checkpoint by a suite, or take the stored evaluation."""
    bench = request.config.stash[BENCH]

    def evaluate(suite: Suite, checkpoint: Checkpoint) -> Evaluation:
        _show_until(request.config, bench, lambda: bench.is_measured(suite, checkpoint.subject))
        return bench.evaluation(suite, checkpoint.subject)

    return evaluate


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """The verdict on one claim or target; skips, with the command, where the other side is missing."""
    bench, record = request.config.stash[BENCH], request.config.stash[SESSION]
    gate: Gate = request.param
    subjects = bench.seeds_of(gate.subject)
    sides = [(name, subject) for subject in subjects for name in gate.suites]
    sides += [(gate.claim.suite, o) for s in subjects for name in gate.references if (o := other_side(bench, s, name))]
    for name, side in sides:
        _show_until(request.config, bench, partial(bench.is_measured, bench.suite_named(name), side))
    judged = judge(bench, gate)
    record.verdicts[gate.id] = judged
    if judged.verdict == "skipped":
        pytest.skip(judged.message)
    return judged


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Any:
    """A read-only DuckDB connection to all results ingested so far."""
    from harness import warehouse

    with warehouse.connect(request.config.stash[OUTPUTS]["results"], read_only=True) as connection:
        yield connection


def _show_until(config: pytest.Config, bench: Bench, done: Callable[[], bool]) -> None:
    """Wait with a bar for every running job, or a line every ten seconds where there is no terminal."""
    if done():
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or capture is None:
        while not done():
            time.sleep(0.05)
        return
    from harness.jobs.display import show

    with capture.global_and_fixture_disabled():
        show(lambda: _running(bench), done, sys.stdout)


def _running(bench: Bench) -> list[Job]:
    return [job for job in bench.jobs.values() if job.state == "running"]


def _write_line(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(line)
