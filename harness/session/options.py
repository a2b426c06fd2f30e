"""What a session was asked for: the command line's options as one checked value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.jobs import devices
from harness.data.sources import SCALES, Scale
from harness.errors import HarnessError, RecipeError


@dataclass(frozen=True)
class Options:
    """What a session was asked for."""

    scale: Scale
    devices: tuple[str, ...] = ("cpu",)
    data_root: Path | None = None
    skip_bad_rows: bool = False
    train: bool = True
    retrain: bool = False
    reevaluate: bool = False
    seeds: int = 1
    strict_gates: bool = False
    baseline: str | None = None
    adaptive: bool = False
    track: str | None = None
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def read_options(given: Callable[[str], Any]) -> Options:
    """The options as typed, `given("--scale")`, checked; the error of the first that cannot be."""
    gpu, scale, root = (given(name) for name in ("--gpu", "--scale", "--data-root"))
    if scale not in (None, *SCALES):
        raise RecipeError(f"--scale {scale}: there is no such scale.", "Choose mini, small or full.")
    if root is not None and not Path(root).is_dir():
        raise HarnessError(f"--data-root {root}: no such folder.")
    if given("--seeds") < 1:
        raise HarnessError(f"--seeds {given('--seeds')}: at least one seed is needed.")
    track = given("--track")
    if track not in (None, "wandb", "tensorboard", "mlflow"):
        raise HarnessError(f"--track {track}: there is no such tracker.", "Choose wandb, tensorboard or mlflow.")
    if track is not None and find_spec(track) is None:
        raise HarnessError(f"--track {track}: {track} is not installed.", f"pip install {track}")
    return Options(
        scale=scale or ("full" if gpu is not None else "mini"),
        devices=tuple(devices.parse(gpu, use=not given("--no-train"))),
        data_root=Path(root).resolve() if root else None,
        skip_bad_rows=given("--skip-bad-rows"),
        train=not given("--no-train"),
        retrain=given("--retrain"),
        reevaluate=given("--reevaluate"),
        seeds=given("--seeds"),
        strict_gates=given("--strict-gates"),
        baseline=given("--baseline"),
        adaptive=given("--adaptive"),
        track=track,
        models=tuple(given("--model")),
        tasks=tuple(dict.fromkeys(part.strip() for part in (given("--tasks") or "").split(",") if part.strip())),
    )
