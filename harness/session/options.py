"""The command line's options as one checked value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.data.sources import SCALES, Scale
from harness.errors import HarnessError, RecipeError
from harness.jobs.devices import parse
from harness.session.settings import Settings

TRACKERS = ("wandb", "tensorboard", "mlflow")


@dataclass(frozen=True)
class Options:
    """What a session was asked to do; one field for each option of pytest."""

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


def read_options(given: Callable[[str], Any], settings: Settings) -> Options:
    """The options as typed, `given("--scale")`, over the project's settings; checked.

    Raises the error of the first that is wrong.
    """
    gpu, scale, track = (given(name) for name in ("--gpu", "--scale", "--track"))
    if given("--seeds") < 1:
        raise HarnessError(f"--seeds {given('--seeds')}: at least one seed is needed.")
    if track not in (None, *TRACKERS):
        raise HarnessError(f"--track {track}: there is no such tracker.", "Choose wandb, tensorboard or mlflow.")
    if track is not None and find_spec(track) is None:
        raise HarnessError(f"--track {track}: {track} is not installed.", f"pip install {track}")
    return Options(
        scale=checked_scale(scale or settings.scale or ("full" if gpu is not None else "mini")),
        devices=tuple(parse(gpu, use=not given("--no-train"))),
        data_root=checked_data_root(given("--data-root")) or settings.data_root,
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


def checked_scale(scale: str) -> Scale:
    """The scale; RecipeError where none has that name."""
    for known in SCALES:
        if scale == known:
            return known
    raise RecipeError(f"--scale {scale}: there is no such scale.", f"Choose {', '.join(SCALES[:-1])} or {SCALES[-1]}.")


def checked_data_root(folder: str | Path | None) -> Path | None:
    """The absolute path of the data folder; HarnessError where it does not exist."""
    if folder is None:
        return None
    if not Path(folder).is_dir():
        raise HarnessError(f"--data-root {folder}: no such folder.")
    return Path(folder).resolve()
