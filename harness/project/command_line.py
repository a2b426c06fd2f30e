"""Subjects and suites without a file of their own, as the command line names them: `--model`, `--tasks`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness.data.sources import Scale
from harness.errors import HarnessError, RecipeError, SuiteError
from harness.recipe import Endpoint, Recipe, Variant
from harness.scoring.tasks import task_scores
from harness.suite import LmEvalTask, Suite

SERVED = "openai:"  # before the name of a server's model
TASK_FILE = re.compile(r"(.*\.ya?ml)(?::(.*))?")
# What may follow a task's name on the command line; what is not of the prompt is of lm-eval's generation.
SETTINGS: dict[str, type] = {
    "fewshot": int, "chat": bool, "max_gen_toks": int, "temperature": float, "top_p": float, "top_k": int,
    "do_sample": bool,
}  # fmt: skip
LEAST = {"max_gen_toks": 1, "top_k": 1}  # of the others: 0


def model_recipe(model: str, scale: Scale, endpoint: str | None = None) -> Recipe:
    """An existing model as a subject without training: a directory, a GGUF file, a hub id, or `openai:NAME` of a server."""
    if model.startswith(SERVED):
        return _served(model, scale, endpoint)
    path = Path(model).expanduser()
    base = str(path.absolute()) if path.exists() else model
    return Recipe(
        name=_name(path.name if path.exists() else model.split("/")[-1]),
        variants=(Variant(scale, base=base, scale=scale),),
        hypothesis=f"{model}, measured as it is.",
    )


def _served(model: str, scale: Scale, endpoint: str | None) -> Recipe:
    name = model.removeprefix(SERVED)
    if endpoint is None:
        raise RecipeError(
            f"--model {model}: where is its server?", "Add --endpoint URL, such as http://localhost:8000/v1."
        )
    return Recipe(
        name=_name(name.split("/")[-1]),
        variants=(Variant(scale, base=Endpoint(name, url=endpoint), scale=scale),),
        hypothesis=f"{name}, as {endpoint} serves it.",
    )


def _name(model: str) -> str:
    """A model's name as a recipe's: 'llama_3_2_3b'."""
    name = re.sub(r"\W+", "_", model).strip("_").lower()
    return name if name.isidentifier() else f"model_{name}"


def task_suite(given: str) -> Suite:
    """A task of lm-evaluation-harness on its own data: `NAME` or `FILE.yaml`, with `:fewshot=5,chat=true` or none.

    Raises SuiteError, which says what is wrong with a name or a setting.
    """
    file = TASK_FILE.fullmatch(given)
    task, text = file.group(1, 2) if file else given.partition(":")[::2]
    is_file = file is not None
    if is_file and not Path(task).is_file():
        raise SuiteError(f"task {given}: no such task file.")
    place = str(Path(task).resolve()) if is_file else task
    settings = _settings(given, text or "")
    words = [Path(task).stem if is_file else task, *(_word(name, value) for name, value in settings.items())]
    name = re.sub(r"\W+", "_", "_".join(filter(None, words))).strip("_")
    if not name.isidentifier():
        raise SuiteError(f"task {given}: {task!r} is no task's name.", "`lm_eval ls tasks` lists them.")
    ask = LmEvalTask(
        place,
        num_fewshot=settings.pop("fewshot", None),
        apply_chat_template=settings.pop("chat", False),
        gen_kwargs=settings,
    )
    return Suite(name=name, asks=(ask,), scorer=task_scores, about=f"lm-evaluation-harness: {name}.")


def split_tasks(text: str, said: str) -> list[str]:
    """The tasks in `a,b:fewshot=5,chat=true,c`: what sets something goes on from the task before it.

    An error begins with where the text was `said`.
    """
    tasks: list[str] = []
    for part in [part.strip() for part in text.split(",") if part.strip()]:
        goes_on = "=" in part and ":" not in part.split("=")[0]
        if goes_on and (not tasks or ":" not in tasks[-1]):
            raise HarnessError(
                f"{said}{text}: {part!r} is no task.", "Settings follow a colon: name:fewshot=5,chat=true"
            )
        if goes_on:
            tasks[-1] += f",{part}"
        else:
            tasks.append(part)
    return tasks


def _settings(given: str, text: str) -> dict[str, Any]:
    """The settings of a task by name: `fewshot`, `chat`, and those of its generation."""
    settings: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, value = (word.strip() for word in part.partition("="))
        kind = SETTINGS.get(name)
        if kind is None:
            raise SuiteError(
                f"task {given}: a task has no setting {name!r}.",
                f"There are: {', '.join(SETTINGS)}; as in chat=true.",
            )
        try:
            settings[name] = _flag(value) if kind is bool else kind(value)
            if kind is not bool and not settings[name] >= LEAST.get(name, 0):
                raise ValueError(value)
        except ValueError:
            kinds = {int: f"a whole number from {LEAST.get(name, 0)}", float: "a number from 0", bool: "true or false"}
            raise SuiteError(f"task {given}: {name} is {kinds[kind]}, and {value!r} is none.") from None
    return settings


def _flag(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(value)
    return value.lower() == "true"


def _word(name: str, value: Any) -> str:
    """A setting in the suite's name: gsm8k_5shot_chat."""
    if name == "fewshot":
        return f"{value}shot"
    if name == "chat":
        return "chat" if value else ""
    return f"{name}_{value}"
