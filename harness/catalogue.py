"""The project's recipes and suites: every `Recipe` below `recipes/`, every `Suite` below `suites/`."""

from __future__ import annotations

import ast
import difflib
import importlib
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from harness.errors import HarnessError, RecipeError, SuiteError
from harness.recipe import Recipe
from harness.suite import Suite


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
    declared: dict[str, str] = {}
    for path in sorted((root / "recipes").glob("*.py")):
        module = _import(root, f"recipes.{path.stem}")
        elsewhere = _imported_names(path)
        for name, value in vars(module).items():
            if not isinstance(value, Recipe) or name in elsewhere:
                continue
            if value.name in found and found[value.name] is not value:
                raise RecipeError(
                    f"recipe {value.name!r} is declared twice: in {declared[value.name]} and {path.name}."
                )
            if value.name not in found:
                if not value.hypothesis:
                    object.__setattr__(value, "hypothesis", (module.__doc__ or "").strip())
                found[value.name], declared[value.name] = value, path.name
    _check_references(found)
    return found


def _imported_names(path: Path) -> set[str]:
    """What a file imports from others: a recipe among it is declared there, not here."""
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _check_references(recipes: dict[str, Recipe]) -> None:
    for recipe in recipes.values():
        for claim in recipe.claims:
            if claim.reference is not None and claim.reference not in recipes:
                close = difflib.get_close_matches(claim.reference, recipes, n=1)
                raise RecipeError(
                    f"{recipe.name}: a claim names the recipe {claim.reference!r}, which does not exist.",
                    f"Did you mean {close[0]!r}?" if close else f"Recipes: {', '.join(recipes)}.",
                )


def load_suites(root: Path) -> dict[str, Suite]:
    """Suite by name."""
    found: dict[str, Suite] = {}
    for path in sorted((root / "suites").glob("test_*.py")):
        module = _import(root, f"suites.{path.stem}")
        for value in vars(module).values():
            if not isinstance(value, Suite):
                continue
            if value.name in found and found[value.name] != value:
                raise SuiteError(f"suite {value.name!r} is declared twice, the second time in suites/{path.name}.")
            found[value.name] = value
    return found


def _import(root: Path, name: str) -> ModuleType:
    """Import a project file; what goes wrong inside is told with file and line."""
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
            _did_you_mean(*misspelt.groups()),
        ) from error


def _did_you_mean(kind: str | None, field: str) -> str:
    import dataclasses

    import harness

    declared = getattr(harness, kind or "", None)
    if declared is None or not dataclasses.is_dataclass(declared):
        return "Check the spelling."
    names = [f.name for f in dataclasses.fields(declared)]
    close = difflib.get_close_matches(field, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(names)}."


def _place(root: Path, error: BaseException) -> str:
    """file:line of the project's own code in which an error came up."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(root) and path.relative_to(root).parts[0] in ("recipes", "suites"):
            return f"{path.relative_to(root)}:{frame.lineno}"
    return "recipes"
