"""Commands that change nothing: plan, why, status, tone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, Scale, StoreDir, gib, opened, opened_store, print_json, show
from harness.data.reading.files import read_file
from harness.errors import DataError
from harness.files import Json, short
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.nearest import nearest, why_missing
from harness.session.setup import Setup


def plan(
    recipe: Annotated[str | None, typer.Argument(help="default: all")] = None,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    as_json: AsJson = False,
) -> None:
    """Rows, optimizer steps, weights and memory of every variant, and whether its checkpoint is there."""
    from harness.jobs import estimate

    setup = opened(scale, data_root, store)
    subjects = setup.project.named(recipe) if recipe else setup.project.subjects()
    columns = {
        "id": "variant", "rows": "rows", "training_rows": "training rows", "optimizer_steps": "optimizer steps",
        "trainable_parameters": "trainable", "total_parameters": "weights", "memory_bytes": "GPU memory, about",
        "cached": "checkpoint",
    }  # fmt: skip
    shown = {"memory_bytes": gib, "cached": lambda there: "there" if there else "missing"}
    show(estimate.plan(setup.results_without_data, subjects), columns, as_json, shown)


def why(
    recipe: str, scale: Scale = None, data_root: DataRoot = None, store: StoreDir = None, as_json: AsJson = False
) -> None:
    """Which field of a recipe differs from the nearest checkpoint in the store."""
    setup = opened(scale, data_root, store)
    chains = [setup.keys.chain(subject) for subject in setup.project.named(recipe)]
    rows = [_why(setup, planned) for chain in chains for planned in chain if planned.is_made]
    if as_json:
        return print_json(rows)
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
