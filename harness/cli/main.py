"""The `harness` command: what is planned, stored, different and judged. Thin; it finds the project as pytest does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import models as cli_models, results as cli_results
from harness.store.baselines import all_of
from harness.cli.data import data_app
from harness.cli.shared import AsJson, DataRoot, Scale, StoreDir, chosen, gib, open_bench, print_json, show
from harness.data.reading.rows import read_file
from harness.errors import DataError, HarnessError, StoreError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
store_app = typer.Typer(no_args_is_help=True, help="Checkpoints and evaluations, by content.")
app.add_typer(cli_results.results_app, name="results")
app.add_typer(cli_results.baseline_app, name="baseline")
app.add_typer(store_app, name="store")
app.add_typer(data_app, name="data")
for command in (
    cli_results.compare, cli_results.gate, cli_results.report,
    cli_models.chat, cli_models.export, cli_models.serve,
):  # fmt: skip
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
    from harness.jobs.estimate import plan as make_plan

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
    from harness.jobs.train import last_line

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
    blessed = {key for baseline in all_of(bench.store.root) for key in baseline.keys}
    stale += [
        a for a in bench.store.all("evaluations") if a.spec["checkpoint"] in made - wanted and a.key not in blessed
    ]
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
