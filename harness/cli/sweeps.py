"""`harness sweep`: the settings of a sweep, compared."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, Exact, Gpu, Made, Scale, StoreDir, opened, print_json, show
from harness.errors import HarnessError
from harness.files import Json
from harness.gates.sweeps import Difference, Setting, compare_settings
from harness.session.setup import Setup


def sweep(
    recipe: Annotated[str, typer.Argument(help="a recipe with sweeps, or the name of one sweep")],
    seeds: Annotated[int, typer.Option(min=1, help="training seeds to judge together")] = 1,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """What each setting of a sweep scored, which one is chosen, and whether it is better than what is declared."""
    setup = opened(scale, data_root, store, Made(gpu, exact), seeds=seeds)
    found = [
        swept
        for name in named(setup, recipe)
        for swept in compare_settings(setup.project, setup.results, setup.project.sweeps[name])
    ]
    if not found:
        raise HarnessError(f"{recipe} is swept at no size of {setup.options.scale} scale.", "Choose another --scale.")
    if as_json:
        return print_json([asdict(one) for one in found])
    for one in found:
        print(f"{one.sweep} at {one.size}: chosen by {one.chosen_by}, judged by {one.judged_by}")
        show([_row(setting) for setting in one.settings], COLUMNS, as_json=False)
        print(f"{one.conclusion}\n")


COLUMNS = {
    "words": "setting", "mark": "", "chosen_by": "chosen by", "score": "score", "interval": "95 % interval", "n": "samples",
    "over_base": "over base", "over_own": "over what is declared", "p_adjusted": "p, adjusted",
}  # fmt: skip


def _row(one: Setting) -> Json:
    marks = ("chosen" if one.winner else "", "declared" if one.own else "", "unfinished" if one.spared else "")
    return {
        **asdict(one),
        "mark": ", ".join(filter(None, marks)),
        "interval": None if one.low is None else f"{one.low:.3f} to {one.high:.3f}",
        "over_base": _difference(one.over_base),
        "over_own": _difference(one.over_own),
    }


def _difference(one: Difference | None) -> str | None:
    return None if one is None else f"{one.estimate:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def named(setup: Setup, name: str) -> list[str]:
    """The sweeps of a recipe, or the one of that name; HarnessError where there is none."""
    sweeps = setup.project.sweeps
    chosen = [key for key, one in sweeps.items() if name in (key, one.of.name)]
    if not chosen:
        known = (
            f"Sweeps: {', '.join(sweeps)}." if sweeps else "Declare one beside the recipe: Sweep(RECIPE, rank=[8, 16])."
        )
        raise HarnessError(f"there is no sweep of {name!r}.", known)
    return chosen
