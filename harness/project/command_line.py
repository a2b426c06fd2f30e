"""Subjects and suites that the command line names, with no file of their own: `--model`, `--tasks`."""

from __future__ import annotations

import re
from pathlib import Path

from harness.data.sources import Scale
from harness.errors import SuiteError
from harness.recipe import Recipe, Variant
from harness.scoring.tasks import task_scores
from harness.suite import LmEvalTask, Suite


def model_recipe(model: str, scale: Scale) -> Recipe:
    """An existing model, a directory, a GGUF file or a hub id, as a subject without training."""
    path = Path(model).expanduser()
    base = str(path.absolute()) if path.exists() else model
    name = re.sub(r"\W+", "_", (path.name if path.exists() else model.split("/")[-1])).strip("_").lower()
    return Recipe(
        name=name if name.isidentifier() else f"model_{name}",
        variants=(Variant(scale, base=base, scale=scale),),
        hypothesis=f"{model}, measured as it is.",
    )


def task_suite(task: str) -> Suite:
    """A task of lm-evaluation-harness, by its name or the path of its task file, on its own data."""
    is_file = task.endswith((".yaml", ".yml"))
    if is_file and not Path(task).is_file():
        raise SuiteError(f"--tasks {task}: no such task file.")
    place = str(Path(task).resolve()) if is_file else task
    name = re.sub(r"\W+", "_", Path(task).stem if is_file else task).strip("_")
    if not name.isidentifier():
        raise SuiteError(f"--tasks {task}: {task!r} is no task's name.", "`lm_eval ls tasks` lists them.")
    return Suite(name=name, asks=(LmEvalTask(place),), scorer=task_scores, about=f"lm-evaluation-harness: {name}.")
