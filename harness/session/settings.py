"""What a project says with every command: `[tool.harness]` in its pyproject.toml, and the places used where it is silent."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.files import Json
from harness.project.command_line import TASK_FILE, split_tasks

FILE = "pyproject.toml"
KEYS = ("scale", "data_root", "store", "results", "models", "tasks", "project")


@dataclass(frozen=True)
class Settings:
    """Defaults of a project. An option on the command line goes before each of them; --tasks adds to its tasks."""

    store: str | Path  # a folder, or a URL
    results: Path  # the DuckDB file; reports go to a folder beside it
    scale: str | None = None  # None: full with --gpu, else mini
    data_root: Path | None = None  # where real data files lie
    models: Path | None = None  # where this machine keeps models, looked in for each base that is named
    tasks: tuple[str, ...] = ()  # of lm-eval, by which every session measures, to which --tasks adds
    project: str | None = None  # whose runs and baselines they are, in every store
    called: str | None = None  # the same in a store that lies outside of the project, where it does not say more


def settings_of(root: Path) -> Settings:
    """The project's settings; paths in them are relative to its folder.

    Without one of its own, its data lie in `data/`, if there is such a folder, its state in `.bench/`, and it is called
    as its package in pyproject.toml, or its folder. A folder without recipes is no project and has no name.
    Raises HarnessError for a setting that does not exist, is no text, or names a data folder that is not there.
    """
    whole = _whole(root)
    said = _said(root, whole)
    named = whole.get("project", {})
    name = named.get("name") if isinstance(named, dict) else None
    is_one = (root / "recipes").is_dir()
    own = root / "data"
    data_root = _below(root, said["data_root"]) if "data_root" in said else own if own.is_dir() else None
    for folder in ("data_root", "models"):
        if folder in said and not _below(root, said[folder]).is_dir():
            raise HarnessError(f"{root / FILE}: [tool.harness] {folder} = {said[folder]!r}: no such folder.")
    store = said.get("store")
    return Settings(
        store=root / ".bench" / "store" if store is None else store if "://" in store else _below(root, store),
        results=_below(root, said.get("results", ".bench/results.duckdb")),
        scale=said.get("scale"),
        data_root=data_root,
        models=_below(root, said["models"]) if "models" in said else None,
        tasks=_tasks(root, said.get("tasks", "")),
        project=_checked_name(root, said.get("project")),
        called=re.sub(r"[^\w.-]+", "_", str(name or root.resolve().name)).strip("_.") if is_one else None,
    )


def _checked_name(root: Path, said: str | None) -> str | None:
    """The project's name as said, which is also a folder's in the store."""
    if said is not None and not re.fullmatch(r"[\w.-]+", said):
        raise HarnessError(
            f"{root / FILE}: [tool.harness] project = {said!r}: a name has letters, digits, dots, _ and - only."
        )
    return said


def _tasks(root: Path, said: str) -> tuple[str, ...]:
    """The tasks as `--tasks` takes them; files are relative to the project."""
    tasks = split_tasks(said, f"{root / FILE}: [tool.harness] tasks = ")
    return tuple(str(_below(root, task)) if TASK_FILE.fullmatch(task) else task for task in tasks)


def _below(root: Path, path: str) -> Path:
    """A path as written in the project's file: absolute, of the user's home (~), or relative to the project."""
    return root / Path(path).expanduser()


def _whole(root: Path) -> Json:
    """All of the project's file; {} where there is none."""
    path = root / FILE
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path} is not valid TOML: {error}") from None


def _said(root: Path, whole: Json) -> dict[str, str]:
    """The harness's section as written, its names and types checked."""
    path, tools = root / FILE, whole.get("tool", {})
    section = tools.get("harness", {}) if isinstance(tools, dict) else {}
    if not isinstance(section, dict):
        raise HarnessError(f"{path}: [tool.harness] is {section!r}, and has to be a table.")
    for name, value in section.items():
        if name not in KEYS:
            close = difflib.get_close_matches(name, KEYS, n=1)
            raise HarnessError(
                f"{path}: [tool.harness] has no setting {name!r}.",
                f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(KEYS)}.",
            )
        if not isinstance(value, str):
            raise HarnessError(f"{path}: [tool.harness] {name} = {value!r}: it has to be a text in quotes.")
    return dict(section)
