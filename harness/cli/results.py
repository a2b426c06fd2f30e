"""The commands that judge, compare and show what is stored: compare, gate, report, results, baseline."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared import (
    AsJson,
    Baseline,
    DataRoot,
    Exact,
    Gpu,
    Made,
    ManyResults,
    Results,
    Scale,
    StoreDir,
    note,
    opened,
    opened_store,
    print_json,
    reading,
    reports_folder,
    results_file,
    show,
)
from harness.errors import EvaluationMissing, HarnessError, WarehouseError
from harness.store import baselines

results_app = typer.Typer(no_args_is_help=True, help="The DuckDB file of all results.")
baseline_app = typer.Typer(no_args_is_help=True, help="Blessed evaluations, which later ones must not fall behind.")


def compare(
    candidate: str,
    baseline: str,
    suite: Annotated[str | None, typer.Option(help="only this suite")] = None,
    metric: Annotated[str | None, typer.Option(help="only this metric")] = None,
    common: Annotated[
        bool, typer.Option("--common", help="compare what both answered, even where samples or versions differ")
    ] = False,
    results: ManyResults = None,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Paired differences between two subjects, with intervals; Benjamini-Hochberg over the table.

    By recipe or variant, from the store; or with --results, or as NAME@RUN, from stored runs, of any machine.
    """
    from harness.gates import compare as comparing

    choice, rows = comparing.Choice(suite, metric, common), []
    if results or "@" in candidate + baseline:
        with reading(results) as connection:
            ours, theirs = (comparing.answered_in_results(connection, name, suite) for name in (candidate, baseline))
            rows = comparing.compare(ours, theirs, choice)
        if not rows:
            raise WarehouseError(f"the results hold no suite and metric that measured both {candidate} and {baseline}.")
    else:
        setup = opened(scale, data_root, store, Made(gpu, exact))
        pairs = setup.project.pairs(candidate, baseline)
        if not pairs:
            raise HarnessError(f"{candidate} and {baseline} have no variant in common at {setup.options.scale} scale.")
        every = [subject for pair in pairs for subject in pair]
        suites = [setup.project.suite(suite)] if suite else setup.with_data(every, note)
        for subject, other in pairs:
            rows += comparing.compare_subjects(setup.results, suites, subject, other, choice)
    columns = {
        "suite": "suite", "metric": "metric", "candidate_score": candidate, "baseline_score": baseline,
        "estimate": "difference", "low": "low", "high": "high", "p_value": "p", "p_adjusted": "after BH", "n": "n",
        "verdict": "verdict",
    }  # fmt: skip
    show(rows, columns, as_json)
    for one in {(row.suite, row.candidate, row.baseline): row for row in rows}.values():
        both = f"{one.suite}: {one.candidate} and {one.baseline} were not"
        if one.asked_otherwise:
            print(f"{both} asked the same tokens: their {one.asked_otherwise} differ.", file=sys.stderr)
        if one.computed_otherwise:
            print(f"{both} computed on the same hardware: {one.computed_otherwise}.", file=sys.stderr)


def gate(
    recipe: Annotated[str | None, typer.Argument(help="default: all that was measured")] = None,
    baseline: Baseline = None,
    strict: Annotated[bool, typer.Option("--strict-gates", help="an inconclusive gate fails")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="training seeds to judge together")] = 1,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Judge the claims on what is stored, without pytest. Exit status 1 when one fails."""
    setup = opened(scale, data_root, store, Made(gpu, exact), baseline, seeds)
    judge = setup.judge
    verdicts, errors = [], []
    for one in setup.gates.of_all(setup.project.named(recipe) if recipe else setup.project.subjects()):
        try:
            verdicts.append(judge.judge(one))
        except HarnessError as error:
            errors.append(f"{one.id}: {error.message}")
    if not errors and not any(v.verdict != "skipped" for v in verdicts):
        raise HarnessError(
            "no claim can be judged: nothing they need is measured.",
            f"Run: pytest suites/ --scale {setup.options.scale}{setup.options.typed}",
        )
    if as_json:
        print_json([asdict(v) for v in verdicts])
    else:
        for verdict in verdicts:
            print(f"{verdict.verdict:>12}  {verdict.gate}\n              {verdict.message}")
    if errors:
        print("\n".join(errors), file=sys.stderr)
        raise typer.Exit(2)
    failing = ("fail", "inconclusive") if strict else ("fail",)
    raise typer.Exit(1 if any(v.verdict in failing for v in verdicts) else 0)


def rescore(
    recipe: Annotated[str | None, typer.Argument(help="default: all that was answered")] = None,
    suite: Annotated[str | None, typer.Option(help="only this suite")] = None,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Score stored answers by the suites as they are now, as after a change of a scorer. No model is loaded."""
    from harness.jobs.rescore import rescore as rescored

    setup = opened(scale, data_root, store, Made(gpu, exact))
    subjects = setup.project.named(recipe) if recipe else setup.project.subjects()
    suites = [setup.project.suite(suite)] if suite else setup.with_data(subjects, note)
    evaluations = setup.evaluations(subjects, suites)

    def waiting(holder: str) -> None:
        print(f"waiting for {holder}", file=sys.stderr)

    made = list(rescored(setup.results, setup.rows, evaluations, waiting))
    columns = {name: name for name in ("suite", "metric", "subject", "estimate", "low", "high", "n")}
    show(made, columns, as_json)
    lacking = [one for one in evaluations if not setup.store.holds("evaluations", one.key) and one.suite.needs_model]
    if lacking:
        ask = f"{len(lacking)} evaluations have no stored answers, as that of {lacking[0].name}"
        print(f"{ask}; a model has to be asked: pytest suites/", file=sys.stderr)


# ---- the report ---------------------------------------------------------------------------------------


def report(
    recipes: Annotated[str | None, typer.Option(help="only these, a,b: the newest results of each, of any run")] = None,
    since: Annotated[str | None, typer.Option(help="only runs from this day on, 2026-03-01")] = None,
    each_setting: Annotated[
        bool, typer.Option("--each-setting", help="every setting of a recipe that was run as a subject of its own")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="folder; default: reports/ beside the results")] = None,
    results: ManyResults = None,
    check: Annotated[bool, typer.Option("--check", help="only say whether the newest session ran through")] = False,
) -> None:
    """Write the report of the newest session again, or one over stored runs, as HTML and Markdown; print its tables."""
    if check:
        return _check_newest(reports_folder(results[0] if results else None))
    from harness.project import find_root
    from harness.project.declared import load_reports
    from harness.report.declared import Report
    from harness.report.write import write_chosen

    folder = out or reports_folder(results[0] if results else None)
    names = [name.strip() for name in (recipes or "").split(",") if name.strip()] or None
    declared = load_reports(find_root(Path.cwd()), Report)
    with reading(results) as connection:
        over_runs = names is not None or since is not None or each_setting or len(results or ()) > 1
        begin = _moment(since) or (datetime.min if over_runs else None)
        write_chosen(connection, declared, folder, recipes=names, since=begin, each_setting=each_setting)


def _moment(given: str | None) -> datetime | None:
    """The beginning of a day, or a moment, in UTC."""
    try:
        return None if given is None else datetime.fromisoformat(given)
    except ValueError:
        raise HarnessError(f"--since {given}: this is no date.", "Write it as 2026-03-01.") from None


def _check_newest(folder: Path) -> None:
    """Exit status 0 where nothing but claims failed in the newest session, and its report is there."""
    from harness.session.record import read_latest

    newest = read_latest(folder)
    if not newest:
        raise WarehouseError(f"no session has written a report to {folder}.")
    if newest["broken"] or not newest["paths"] or not all(Path(path).exists() for path in newest["paths"]):
        raise WarehouseError(
            f"the newest session did not run through ({newest['broken']} failures that are no claims)."
        )
    print(f"the session ran through; what failed are claims, and the report says which: {newest['paths'][0]}")


# ---- the results file ---------------------------------------------------------------------------------


@results_app.command("rebuild")
def results_rebuild(results: Results = None, store: StoreDir = None) -> None:
    """Make the results file anew from the store."""
    from harness import warehouse

    path = results_file(results)
    print(f"{path}: {warehouse.rebuild(path, opened_store(store))} checkpoints, evaluations and sessions")


@results_app.command("query")
def results_query(sql: str, results: ManyResults = None, as_json: AsJson = False) -> None:
    """Run one SQL statement on the results, read-only."""
    from harness import warehouse

    with reading(results) as connection:
        names, rows = warehouse.query(connection, sql)
    show(rows, {name: name for name in names}, as_json)


# ---- baselines ----------------------------------------------------------------------------------------


@baseline_app.command("set")
def baseline_set(
    name: str,
    recipe: Annotated[str | None, typer.Argument(help="default: all that was measured")] = None,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Bless the latest evaluations under a name: `--baseline NAME` then asks that nothing got worse."""
    setup = opened(scale, data_root, store, Made(gpu, exact))
    subjects = setup.project.named(recipe) if recipe else setup.project.subjects()
    blessed = setup.bless(name, subjects, setup.with_data(subjects, note))
    if blessed is None:
        raise EvaluationMissing(
            f"baseline {name}: nothing of {recipe or 'any recipe'} is measured.",
            f"Run: pytest suites/ --scale {setup.options.scale}{setup.options.typed}",
        )
    _show_baselines([blessed], as_json)


@baseline_app.command("show")
def baseline_show(
    name: Annotated[str | None, typer.Argument(help="default: all")] = None,
    store: StoreDir = None,
    as_json: AsJson = False,
) -> None:
    """Which evaluations a baseline holds."""
    there = opened_store(store)
    found = [baselines.read(there, name)] if name else baselines.all_of(there)
    if not found and not as_json:
        return print("no baseline is set; harness baseline set NAME blesses what is measured now")
    _show_baselines(found, as_json)


def _show_baselines(found: list[baselines.Baseline], as_json: bool) -> None:
    rows = [
        {"baseline": b.name, "subject": subject, "suites": sorted(suites), "set_at": b.set_at, "commit_id": b.commit_id,
         "evaluations": suites}
        for b in found
        for subject, suites in b.evaluations.items()
    ]  # fmt: skip
    columns = {"baseline": "baseline", "subject": "subject", "suites": "suites", "set_at": "set", "commit_id": "commit"}
    show(rows, columns, as_json, {"suites": ", ".join, "set_at": lambda moment: moment[:16]})
