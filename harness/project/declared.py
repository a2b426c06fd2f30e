"""Files of a project -> the recipes, sweeps, suites and reports declared in them. Errors name file and line."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar

from harness.errors import HarnessError, RecipeError, SuiteError
from harness.project.references import REFERENCES
from harness.recipe import Curriculum, Recipe, Sweep
from harness.suite import Suite

FOLDERS = ("recipes", "suites", "reports")
Declared = TypeVar("Declared")


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a pyproject.toml or conftest.py beside `recipes/`."""
    for folder in (start, *start.parents):
        if (folder / "recipes").is_dir() and (
            (folder / "pyproject.toml").exists() or (folder / "conftest.py").exists()
        ):
            return folder
    raise HarnessError(
        f"{start} is in no project: no folder from here upwards holds recipes/ beside a conftest.py or pyproject.toml.",
        "Change into the project's folder.",
    )


def load_recipes(root: Path) -> dict[str, Recipe]:
    """Recipe by name; a recipe without a hypothesis of its own takes its file's docstring."""
    found: dict[str, Recipe] = {}
    for recipe, module in _in_recipes(root, Recipe):
        if not recipe.hypothesis:
            object.__setattr__(recipe, "hypothesis", (module.__doc__ or "").strip())
        found[recipe.name] = recipe
    _check_references(found)
    return found


def load_sweeps(root: Path) -> dict[str, Sweep]:
    """Sweep by its recipe's name."""
    return {sweep.recipe.name: sweep for sweep, _ in _in_recipes(root, Sweep)}


def load_curricula(root: Path) -> dict[str, Curriculum]:
    """Curriculum by name."""
    return {one.name: one for one, _ in _in_recipes(root, Curriculum)}


def _in_recipes(root: Path, kind: type[Declared]) -> Iterator[tuple[Declared, ModuleType]]:
    """Every value of a kind that a file of `recipes/` declares, with its module; RecipeError where two have one name."""
    known: dict[str, tuple[Declared, str]] = {}
    for path in sorted((root / "recipes").glob("*.py")):
        module = _import(root, f"recipes.{path.stem}")
        elsewhere = _imported_names(path)
        for variable, value in vars(module).items():
            if not isinstance(value, kind) or variable in elsewhere:
                continue
            name: str = value.recipe.name if isinstance(value, Sweep) else value.name  # type: ignore[attr-defined]
            if name in known and known[name][0] is not value:
                word = kind.__name__.lower()
                raise RecipeError(f"{word} {name!r} is declared twice: in {known[name][1]} and {path.name}.")
            if name not in known:
                known[name] = value, path.name
                yield value, module


def load_suites(root: Path) -> dict[str, Suite]:
    """Suite by name."""
    found: dict[str, Suite] = {}
    for path in sorted((root / "suites").glob("test_*.py")):
        for value in vars(_import(root, f"suites.{path.stem}")).values():
            if not isinstance(value, Suite):
                continue
            if value.name in found and found[value.name] != value:
                raise SuiteError(f"suite {value.name!r} is declared twice, the second time in suites/{path.name}.")
            found[value.name] = value
    return found


def suites_declared_in(module: ModuleType) -> list[Suite]:
    """The suites of a file, with those that it imports, unless they are declared in another file of tests."""
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    of_tests = [node for node in imports if (node.module or "").split(".")[-1].startswith("test_")]
    elsewhere = {alias.asname or alias.name for node in of_tests for alias in node.names}
    return [value for name, value in vars(module).items() if isinstance(value, Suite) and name not in elsewhere]


def load_reports(root: Path, kind: type[Declared]) -> list[Declared]:
    """The values of a kind in `reports/`, in the order of their files.

    Only files that import that kind by name are loaded, because a project may use a folder `reports/` for something else.
    """
    found: list[Declared] = []
    for path in sorted((root / "reports").glob("*.py")):
        if kind.__name__ in _imported_names(path, "harness"):
            module = _import(root, f"reports.{path.stem}")
            found += [value for value in vars(module).values() if isinstance(value, kind)]
    return found


def _imported_names(path: Path, package: str | None = None) -> set[str]:
    """The names that a file imports; none where it is not valid Python."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, ValueError):
        if package is None:
            raise
        return set()
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    chosen = [node for node in imports if package is None or (node.module or "").split(".")[0] == package]
    return {alias.asname or alias.name for node in chosen for alias in node.names}


def _check_references(recipes: dict[str, Recipe]) -> None:
    """RecipeError for a claim that names a recipe which does not exist."""
    for recipe in recipes.values():
        for claim in recipe.claims:
            if claim.reference is not None and claim.reference not in (*recipes, *REFERENCES):
                close = difflib.get_close_matches(claim.reference, [*recipes, *REFERENCES], n=1)
                raise RecipeError(
                    f"{recipe.name}: a claim names the recipe {claim.reference!r}, which does not exist.",
                    f"Did you mean {close[0]!r}?" if close else f"Recipes: {', '.join(recipes)}.",
                )


def _import(root: Path, name: str) -> ModuleType:
    """Import a project file; errors within it are reported with file and line."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except HarnessError as error:
        raise type(error)(f"{_place(root, error)}: {error.problem}", error.remedy) from error
    except TypeError as error:
        misspelt = re.search(r"(?:(\w+)\.__init__\(\) )?got an unexpected keyword argument '(\w+)'", str(error))
        if misspelt is None:
            raise
        raise RecipeError(
            f"{_place(root, error)}: {misspelt[1] or 'it'} has no field {misspelt[2]!r}.",
            _did_you_mean(_named(misspelt[1] or "", error.__traceback__), misspelt[2]),
        ) from error


def _named(name: str, trace: TracebackType | None) -> Any:
    """The value that the failing code calls by that name."""
    while trace is not None:
        if name in trace.tb_frame.f_globals:
            return trace.tb_frame.f_globals[name]
        trace = trace.tb_next
    return None


def _did_you_mean(kind: Any, field: str) -> str:
    if kind is None or not dataclasses.is_dataclass(kind):
        return "Check the spelling."
    names = [f.name for f in dataclasses.fields(kind)]
    close = difflib.get_close_matches(field, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(names)}."


def _place(root: Path, error: BaseException) -> str:
    """file:line of the project's own code in which an error came up."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(root) and path.relative_to(root).parts[0] in FOLDERS:
            return f"{path.relative_to(root)}:{frame.lineno}"
    return "recipes"
