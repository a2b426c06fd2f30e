"""The command line's options as one checked value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.data.sources import SCALES, Scale
from harness.errors import HarnessError, RecipeError
from harness.files import check_letters
from harness.jobs.devices import parse
from harness.project.command_line import split_tasks
from harness.session.settings import Settings

REPEATED = (
    "--gpu",
    "--gpus-per-job",
    "--executor",
    "--exact",
    "--data-root",
    "--store",
    "--results",
    "--limit",
    "--tasks",
    "--endpoint",
    "--model",
)
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
    limit: int | None = None
    exact: bool = False
    endpoint: str | None = None
    gpus_per_job: int | None = None  # None: as each variant says
    asked: str = ""  # what tests are selected by: -k, -m and ids, one after the other
    executor: str = "local"  # or ray, or the address of a Ray cluster
    typed: str = ""  # those that a suggested command repeats: " --gpu 0 --store /data/store"


def read_options(given: Callable[[str], Any], settings: Settings) -> Options:
    """The options as typed, `given("--scale")`, over the project's settings; checked.

    Raises the error of the first that is wrong.
    """
    gpu, scale, track = (given(name) for name in ("--gpu", "--scale", "--track"))
    executor = checked_executor(given("--executor") or "local")
    if given("--endpoint") and not any(model.startswith("openai:") for model in given("--model")):
        raise HarnessError(f"--endpoint {given('--endpoint')}: no model of it is named.", "Add --model openai:NAME.")
    if given("--seeds") < 1:
        raise HarnessError(f"--seeds {given('--seeds')}: at least one seed is needed.")
    if given("--gpus-per-job") is not None and given("--gpus-per-job") < 1:
        raise HarnessError(f"--gpus-per-job {given('--gpus-per-job')}: at least one is needed.")
    if track not in (None, *TRACKERS):
        raise HarnessError(f"--track {track}: there is no such tracker.", "Choose wandb, tensorboard or mlflow.")
    if track is not None and find_spec(track) is None:
        raise HarnessError(f"--track {track}: {track} is not installed.", f"pip install {track}")
    return Options(
        scale=checked_scale(scale or settings.scale or ("full" if gpu is not None else "mini")),
        devices=tuple(parse(gpu, use=executor == "local" and not given("--no-train"))),
        gpus_per_job=given("--gpus-per-job"),
        executor=executor,
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
        tasks=tuple(dict.fromkeys([*settings.tasks, *split_tasks(given("--tasks") or "", "--tasks ")])),
        endpoint=given("--endpoint"),
        exact=given("--exact"),
        typed=repeated({name: given(name) for name in REPEATED}),
        limit=checked_limit(given("--limit"), given("--baseline"), given("--adaptive")),
    )


def repeated(given: Mapping[str, Any]) -> str:
    """Options as a user types them, each after a blank; those that were not given are left out."""
    words = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is True:  # a flag
                words.append(name)
            elif one is not None and one is not False:
                words += [name, shlex.quote(str(one))]
    return "".join(f" {word}" for word in words)


def checked_limit(limit: int | None, baseline: str | None, adaptive: bool) -> int | None:
    """The most samples of a suite; HarnessError where it is none, or where whole suites are to be compared."""
    if limit is None:
        return None
    if limit < 1:
        raise HarnessError(f"--limit {limit}: at least one sample is needed.")
    if baseline is not None:
        raise HarnessError(
            f"--limit {limit} --baseline {baseline}: a baseline holds whole suites, and parts do not compare with them.",
            "Leave out one of the two.",
        )
    if adaptive:
        raise HarnessError(
            f"--limit {limit} --adaptive: both say how many samples are asked.", "Leave out one of the two."
        )
    return limit


def checked_executor(given: str) -> str:
    """The executor; HarnessError where there is none of that name, or what it needs is not installed."""
    if given == "local":
        return given
    if given != "ray" and not re.fullmatch(r"ray://[^/\s:]+(:\d+)?", given):
        raise HarnessError(
            f"--executor {given}: there is none of that name.", "Choose local, ray, or ray://HOST:10001."
        )
    if find_spec("ray") is None:
        raise HarnessError(
            f"--executor {given}: Ray is not installed.",
            "Install the harness with its extra `ray`: pip install 'PATH[ray]', PATH being its folder or wheel.",
        )
    return given


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
    check_letters(folder)
    if not Path(folder).is_dir():
        raise HarnessError(f"--data-root {folder}: no such folder.")
    return Path(folder).resolve()
