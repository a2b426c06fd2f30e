"""The `harness` command: what is planned, stored, different and judged. Thin; it finds the project as pytest does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import cli_models
from harness.catalogue import find_root
from harness.cli_data import data_app
from harness.commands import (
    AsJson,
    DataRoot,
    Gpu,
    Results,
    Scale,
    StoreDir,
    chosen,
    gib,
    open_bench,
    print_json,
    results_file,
    show,
)
from harness.data.reading import read_file
from harness.errors import DataError, HarnessError, StoreError, WarehouseError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
results_app = typer.Typer(no_args_is_help=True, help="The DuckDB file of all results.")
store_app = typer.Typer(no_args_is_help=True, help="Checkpoints and evaluations, by content.")
app.add_typer(results_app, name="results")
app.add_typer(store_app, name="store")
app.add_typer(data_app, name="data")
for command in (cli_models.chat, cli_models.export, cli_models.serve):
    app.command()(command)


def main() -> None:
    """Run the command; exit status 2 and one message for wrong use or input."""
    try:
        app(standalone_mode=True)
    except HarnessError as error:
        print(error.told(), file=sys.stderr)
        raise SystemExit(2) from None


# ---- recipes ------------------------------------------------------------------------------------------


@app.command()
def plan(
    recipe: Annotated[str | None, typer.Argument(help="default: all")] = None,
    scale: Scale = "mini",
    data_root: DataRoot = None,
    store: StoreDir = None,
    as_json: AsJson = False,
) -> None:
    """Rows, optimizer steps, weights and memory of every variant, and whether its checkpoint is there."""
    from harness.plan import plan as make_plan

    bench = open_bench(scale, data_root, store)
    rows = make_plan(bench, chosen(bench, recipe) if recipe else bench.subjects())
    columns = {
        "id": "variant", "rows": "rows", "training_rows": "training rows", "optimizer_steps": "optimizer steps",
        "trainable_parameters": "trainable", "total_parameters": "weights", "memory_bytes": "GPU memory, about",
        "cached": "checkpoint",
    }  # fmt: skip
    show(rows, columns, as_json, {"memory_bytes": gib, "cached": lambda there: "there" if there else "missing"})


@app.command()
def why(
    recipe: str, scale: Scale = "mini", data_root: DataRoot = None, store: StoreDir = None, as_json: AsJson = False
) -> None:
    """Which field of a recipe differs from the nearest checkpoint in the store."""
    bench = open_bench(scale, data_root, store)
    rows = []
    for subject in chosen(bench, recipe):
        for planned in bench.planner.chain(subject):
            if not planned.is_made:
                continue
            there = bench.artifact(planned) is not None
            near = None if there else bench.nearest(planned)
            rows.append(
                {
                    "stage": planned.name,
                    "fingerprint": planned.key,
                    "cached": there,
                    "nearest": near[0].key if near else None,
                    "differs": [{"field": f, "there": a, "here": b} for f, a, b in near[1]] if near else [],
                    "told": "there" if there else bench.nearest_told(planned),
                }
            )
    if as_json:
        return print_json(rows)
    for row in rows:
        print(
            f"{row['stage']} {str(row['fingerprint'])[:8]}: {'its checkpoint is there' if row['cached'] else row['told']}"
        )


@app.command()
def status(store: StoreDir = None, as_json: AsJson = False) -> None:
    """Running and waiting jobs of every session on this store."""
    from harness.training_jobs import last_line

    bench = open_bench(store=store)
    rows: list[dict[str, Any]] = []
    for holder in bench.store.held():
        held = json.loads(holder.read_text())
        log = last_line(bench.store.root / "checkpoints" / f"{holder.stem}.partial" / "log.jsonl") or {}
        rows.append(
            {
                "state": "running",
                "job": held["for"],
                "process": held["pid"],
                "step": log.get("step"),
                "steps": log.get("steps"),
            }
        )
    running = {holder.stem for holder in bench.store.held()}
    for folder in sorted((bench.store.root / "checkpoints").glob("*.partial")):
        key = folder.name.removesuffix(".partial")
        spec = folder / "spec.json"
        if key not in running and spec.exists():
            log = last_line(folder / "log.jsonl") or {}
            rows.append(
                {
                    "state": "interrupted",
                    "job": json.loads(spec.read_text())["name"],
                    "process": None,
                    "step": log.get("step"),
                    "steps": log.get("steps"),
                }
            )
    if not rows and not as_json:
        print("nothing is running, waiting or interrupted")
        return
    show(rows, {"state": "state", "job": "job", "process": "process", "step": "step", "steps": "of"}, as_json)


# ---- results ------------------------------------------------------------------------------------------


@app.command()
def compare(
    candidate: str,
    baseline: str,
    suite: Annotated[str | None, typer.Option(help="only this suite")] = None,
    metric: Annotated[str | None, typer.Option(help="only this metric")] = None,
    scale: Scale = "mini",
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Paired differences between two subjects, with intervals; Benjamini-Hochberg over the table."""
    from harness.compare import compare as paired

    bench = open_bench(scale, data_root, store, gpu)
    rows = []
    for ours in chosen(bench, candidate):
        theirs = [s for s in chosen(bench, baseline) if s.variant.name == ours.variant.name]
        for other in theirs:
            rows += paired(bench, ours, other, suite, metric)
    columns = {
        "suite": "suite", "metric": "metric", "candidate_score": candidate, "baseline_score": baseline,
        "estimate": "difference", "low": "low", "high": "high", "p_value": "p", "n": "n", "verdict": "verdict",
    }  # fmt: skip
    show(rows, columns, as_json)


@app.command()
def gate(
    recipe: Annotated[str | None, typer.Argument(help="default: all that was measured")] = None,
    scale: Scale = "mini",
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Judge the claims on what is stored, without pytest. Exit status 1 when one fails."""
    from dataclasses import asdict

    from harness.gates import gates_of, judge

    bench = open_bench(scale, data_root, store, gpu)
    subjects = chosen(bench, recipe) if recipe else bench.subjects()
    verdicts = [judge(bench, g) for subject in subjects for g in gates_of(subject)]
    if not any(v.verdict != "skipped" for v in verdicts):
        raise HarnessError(
            "no claim can be judged: nothing they need is measured.", f"Run: pytest suites/ --scale {scale}"
        )
    if as_json:
        print_json([asdict(v) for v in verdicts])
    else:
        for verdict in verdicts:
            print(f"{verdict.verdict:>12}  {verdict.gate}\n              {verdict.message}")
    raise typer.Exit(1 if any(v.verdict == "fail" for v in verdicts) else 0)


@app.command()
def report(
    out: Annotated[Path | None, typer.Option(help="folder; default: .bench/reports")] = None,
    results: Results = None,
    check: Annotated[bool, typer.Option("--check", help="only say whether the newest session ran through")] = False,
) -> None:
    """Write the report of the newest session again, as HTML and Markdown, and print its tables."""
    if check:
        return _check_newest(find_root(Path.cwd()) / ".bench" / "reports")
    from rich.console import Console

    import reports
    from harness import warehouse

    folder = out or find_root(Path.cwd()) / ".bench" / "reports"
    with warehouse.connect(results_file(results), read_only=True) as connection:
        content = reports.load(connection)
    reports.write_html(content, folder / "report.html")
    reports.write_markdown(content, folder / "report.md")
    reports.print_terminal(content, Console())
    print(f"report: {folder / 'report.html'}")


def _check_newest(folder: Path) -> None:
    """Exit status 0 where nothing but claims failed in the newest session, and its report is there."""
    from harness.session import LATEST

    try:
        newest = json.loads((folder / LATEST).read_text())
    except (OSError, ValueError):
        raise WarehouseError(f"no session has written a report to {folder}.") from None
    if newest["broken"] or not newest["paths"] or not all(Path(path).exists() for path in newest["paths"]):
        raise WarehouseError(
            f"the newest session did not run through ({newest['broken']} failures that are no claims)."
        )
    print(f"the session ran through; what failed are claims, and the report says which: {newest['paths'][0]}")


@results_app.command("rebuild")
def results_rebuild(results: Results = None, store: StoreDir = None) -> None:
    """Make the results file anew from the store."""
    from harness import warehouse

    bench = open_bench(store=store)
    path = results_file(results)
    print(f"{path}: {warehouse.rebuild(path, bench.store)} checkpoints, evaluations and sessions")


@results_app.command("query")
def results_query(sql: str, results: Results = None, as_json: AsJson = False) -> None:
    """Run one SQL statement on the results, read-only."""
    from harness import warehouse

    with warehouse.connect(results_file(results), read_only=True) as connection:
        names, rows = warehouse.query(connection, sql)
    show(rows, {name: name for name in names}, as_json)


# ---- the store ----------------------------------------------------------------------------------------


@store_app.command("ls")
def store_ls(store: StoreDir = None, as_json: AsJson = False) -> None:
    """All checkpoints and evaluations, oldest first."""
    bench = open_bench(store=store)
    rows = [
        {
            "kind": artifact.kind[:-1],
            "key": artifact.key,
            "what": artifact.spec.get("stage") or artifact.spec["suite"]["name"],
            "of": (artifact.spec.get("checkpoint") or artifact.spec.get("base", {}).get("checkpoint") or "")[:8],
            "bytes": artifact.bytes,
            "created_at": artifact.manifest["created_at"],
        }
        for kind in ("checkpoints", "evaluations")
        for artifact in bench.store.all(kind)  # type: ignore[arg-type]
    ]
    columns = {"kind": "kind", "key": "key", "what": "what", "of": "of", "bytes": "bytes", "created_at": "created"}
    show(rows, columns, as_json, {"key": lambda key: key[:8]})


@store_app.command("verify")
def store_verify(store: StoreDir = None, as_json: AsJson = False) -> None:
    """Read every byte again and compare it with the manifests. Exit status 1 where one differs."""
    bench = open_bench(store=store)
    found = []
    for kind in ("checkpoints", "evaluations"):
        for folder in sorted((bench.store.root / kind).glob("*")):
            if folder.name.endswith((".partial", ".removed")):
                continue
            problem = bench.store.verify(kind, folder.name)  # type: ignore[arg-type]
            found.append({"kind": kind[:-1], "key": folder.name, "problem": problem})
    damaged = [row for row in found if row["problem"]]
    if as_json:
        print_json(found)
    else:
        for row in damaged:
            print(f"{row['kind']} {str(row['key'])[:8]}: {row['problem']}")
        print(f"{len(found)} artifacts, {len(damaged)} damaged")
    raise typer.Exit(1 if damaged else 0)


@store_app.command("prune")
def store_prune(
    damaged: Annotated[
        str | None, typer.Option(help="remove this damaged artifact (first characters of its key)")
    ] = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove; without it, only list")] = False,
) -> None:
    """Remove a damaged artifact, or all that no recipe leads to any more, at any scale and with any seed."""
    bench = open_bench("mini", data_root, store)
    if damaged is not None:
        matching = [
            (kind, folder.name)
            for kind in ("checkpoints", "evaluations")
            for folder in (bench.store.root / kind).glob(f"{damaged}*")
            if not folder.name.endswith((".partial", ".removed"))
        ]
        if len(matching) != 1:
            raise StoreError(
                f"{len(matching)} artifacts start with {damaged!r}.", "Give more of the key: harness store ls."
            )
        kind, key = matching[0]
        if bench.store.verify(kind, key) is None:  # type: ignore[arg-type]
            raise StoreError(f"{kind[:-1]} {key[:8]} is not damaged.", "Use --retrain or --reevaluate to make it anew.")
        bench.store.remove(kind, key)  # type: ignore[arg-type]
        print(f"removed {kind[:-1]} {key[:8]}")
        return
    wanted = bench.wanted_by_recipes()
    made = {a.key for a in bench.store.all("checkpoints")}
    stale = [a for a in bench.store.all("checkpoints") if a.key not in wanted]
    stale += [a for a in bench.store.all("evaluations") if a.spec["checkpoint"] in made - wanted]
    for artifact in stale:
        if yes:
            bench.store.remove(artifact.kind, artifact.key)
        print(
            f"{'removed' if yes else 'would remove'} {artifact.kind[:-1]} {artifact.short} ({artifact.bytes:,} bytes)"
        )
    print(f"{len(stale)} artifacts that no recipe leads to" + ("" if yes or not stale else "; --yes removes them"))


# ---- tools --------------------------------------------------------------------------------------------


@app.command()
def tone(file: Annotated[Path, typer.Argument(help="JSON lines with a field `text`")]) -> None:
    """Score rows for tone: each row with `conversational` (a probability) and `features`, as JSON lines."""
    from harness.scoring import tone as classifier

    for origin, row in read_file(file):
        if not isinstance(row.get("text"), str):
            raise DataError(f'{origin}: row has no "text" (found: {", ".join(row) or "nothing"}).')
        try:
            scored = {
                "conversational": classifier.conversational(row["text"]),
                "features": classifier.features(row["text"]),
            }
        except DataError as error:
            raise DataError(f"{origin}: {error.problem}", error.remedy) from None
        print(json.dumps({**row, **scored}, ensure_ascii=False))
