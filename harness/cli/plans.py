"""Commands that change nothing: plan, why, status, tone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, Made, Scale, StoreDir, gib, opened, opened_store, print_json, show
from harness.data.reading.files import read_file
from harness.errors import DataError, HarnessError
from harness.files import Json, short
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.nearest import nearest, why_missing
from harness.session.setup import Setup


def plan(
    recipe: Annotated[str | None, typer.Argument(help="default: all")] = None,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu_name: Annotated[str | None, typer.Option(help="hours on such GPUs too: 'RTX 4090', H100, ...")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="how many of them")] = 1,
    price: Annotated[float | None, typer.Option(min=0, help="of one an hour: what all of it costs")] = None,
    utilization: Annotated[
        float | None, typer.Option(min=0.001, max=1.0, help="share of the GPU's peak; default: as measured")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="trainings of each recipe")] = 1,
    as_json: AsJson = False,
) -> None:
    """Rows, optimizer steps, weights and memory of every variant, and whether its checkpoint is there; hours and cost."""
    from harness.jobs import estimate, hours

    if gpu_name is None and (gpus > 1 or price is not None or utilization is not None):
        raise HarnessError(
            "--gpus, --price and --utilization are about GPUs of a kind.", "Name it: --gpu-name 'RTX 4090'."
        )
    # with --gpu-name, evaluations that were made on a GPU count as measured
    setup = opened(scale, data_root, store, Made(None if gpu_name is None else "0"), seeds=seeds)
    subjects = setup.project.named(recipe) if recipe else setup.project.subjects()
    columns = {
        "id": "variant", "rows": "rows", "training_rows": "training rows", "optimizer_steps": "optimizer steps",
        "trainable_parameters": "trainable", "total_parameters": "weights", "memory_bytes": "GPU memory, about",
        "cached": "checkpoint",
    }  # fmt: skip
    shown = {"memory_bytes": gib, "cached": lambda there: "there" if there else "missing"}
    if gpu_name is None:
        return show(estimate.plan(setup.results_without_data, subjects), columns, as_json, shown)
    terms = hours.Terms(hours.gpu_named(gpu_name), gpus, price, utilization)
    found = hours.costs(setup.results_without_data, subjects, setup.project.suites.values(), terms)
    columns = COSTS if price is not None else {name: title for name, title in COSTS.items() if name != "cost"}
    show(found.variants, columns, as_json, SHOWN)
    if not as_json:
        print("\n".join(found.lines))


COSTS = {
    "id": "variant", "memory_bytes": "GPU memory, about", "fits": "fits", "tokens": "tokens", "hours": "training",
    "measuring_hours": "measuring", "cost": "cost", "published": "published",
}  # fmt: skip


def _duration(hours: float | None) -> str:
    return "–" if hours is None else f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min" if hours else "0"


SHOWN = {
    "memory_bytes": gib, "fits": lambda fits: "–" if fits is None else "yes" if fits else "recomputing",
    "hours": _duration, "measuring_hours": _duration, "cost": lambda cost: "–" if cost is None else f"{cost:,.2f}",
}  # fmt: skip


def why(
    recipe: str, scale: Scale = None, data_root: DataRoot = None, store: StoreDir = None, as_json: AsJson = False
) -> None:
    """Which field of a recipe differs from the nearest checkpoint in the store."""
    setup = opened(scale, data_root, store)
    chains = [setup.keys.chain(subject) for subject in setup.project.named(recipe)]
    rows = [_why(setup, planned) for chain in chains for planned in chain if planned.is_made]
    if as_json:
        return print_json(rows)
    for planned in [chain[-1] for chain in chains if chain[-1].lookup is not None]:
        print(f"{planned.name} {planned.short}: nothing is made; it asks {planned.weights.name} with passages in front")
    for row in rows:
        words = "its checkpoint is there" if row["cached"] else row["words"]
        print(f"{row['stage']} {short(row['fingerprint'])}: {words}")


def _why(setup: Setup, planned: PlannedStage) -> Json:
    there, specs = setup.results.artifact(planned) is not None, setup.results.specs
    near = None if there else nearest(planned, specs)
    return {
        "stage": planned.name,
        "fingerprint": planned.key,
        "cached": there,
        "nearest": near.key if near else None,
        "differs": [{"field": d.field, "there": d.there, "here": d.here} for d in near.differs] if near else [],
        "words": "there" if there else why_missing(planned, specs),
    }


def status(store: StoreDir = None, as_json: AsJson = False) -> None:
    """Running and interrupted jobs of every session on this store."""
    from harness.jobs import status as of_store

    rows = of_store.status(opened_store(store))
    if not rows and not as_json:
        return print("nothing is running, waiting or interrupted")
    show(rows, {"state": "state", "job": "job", "process": "process", "step": "step", "steps": "of"}, as_json)


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
