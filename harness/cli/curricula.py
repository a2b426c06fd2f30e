"""`harness curriculum`: what each lesson did to what was taught before."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, Exact, Gpu, Made, Scale, StoreDir, opened, print_json, show
from harness.errors import HarnessError
from harness.files import Json
from harness.gates.curricula import Cell, Learnt, what_was_learnt


def curriculum(
    name: Annotated[str, typer.Argument(help="the name of a curriculum")],
    seeds: Annotated[int, typer.Option(min=1, help="training seeds to judge together")] = 1,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """What recipes taught one after another scored after each, and what was forgotten of the earlier ones."""
    setup = opened(scale, data_root, store, Made(gpu, exact), seeds=seeds)
    if name not in setup.project.curricula:
        known = ", ".join(setup.project.curricula)
        raise HarnessError(
            f"there is no curriculum {name!r}.",
            f"Curricula: {known}." if known else 'Declare one: Curriculum("continual", [FIRST, SECOND]).',
        )
    found = what_was_learnt(setup.project, setup.results, setup.project.curricula[name])
    if not found:
        raise HarnessError(f"{name} has no size of {setup.options.scale} scale.", "Choose another --scale.")
    if as_json:
        return print_json([asdict(one) for one in found])
    for one in found:
        print(f"{one.curriculum} at {one.size}: scores after each lesson")
        columns = {"after": "after"} | {cell.lesson: f"{cell.lesson}: {cell.metric}" for cell in one.cells[0]}
        show(_rows(one), columns, as_json=False)
        print(f"{one.conclusion}\n")


def _rows(one: Learnt) -> list[Json]:
    return [{"after": row[0].after} | {cell.lesson: _score(cell) for cell in row} for row in one.cells]


def _score(cell: Cell) -> str | None:
    if cell.score is None or cell.low is None:
        return None if cell.score is None else f"{cell.score:.3f}"
    return f"{cell.score:.3f} ({cell.low:.3f} to {cell.high:.3f})"
