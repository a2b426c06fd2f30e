"""The suites that come with the harness, as files of a project: `suites/test_tone.py` with its rows declared in it.

They are this repository's own `suites/`, which an installed wheel keeps in `share/harness`. There a suite imports its
rows from `recipes/datasets.py`; in a project that has no such file, the declarations stand in the suite's own.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import HarnessError

FILES = "test_*.py"
NO_SUITES = ("gates",)  # claims are tests of the suites' files already
LINE = 120  # characters
ABOVE = Path(__file__).parents[3]  # the folder in which the package lies


@dataclass(frozen=True)
class Shipped:
    """A folder with `suites/` and `recipes/`."""

    folder: Path

    @property
    def names(self) -> list[str]:
        """The suites' files, by what stands after `test_` in their names."""
        found = sorted(path.stem.removeprefix("test_") for path in (self.folder / "suites").glob(FILES))
        return [name for name in found if name not in NO_SUITES]

    def suite(self, name: str) -> str:
        """The text of a suite's file that needs no other file; HarnessError where there is no such suite."""
        if name not in self.names:
            raise HarnessError(f"no suite {name!r} comes with the harness.", f"There are: {', '.join(self.names)}.")
        return with_declarations((self.folder / "suites" / f"test_{name}.py").read_text("utf-8"), self._declarations)

    def model(self, name: str) -> str:
        """The declaration of a model that recipes start from, such as SMOLLM2."""
        lines = (self.folder / "recipes" / "models.py").read_text("utf-8")
        return "\n".join(_segment(lines, node) for node in needed(lines, [name]))

    @property
    def _declarations(self) -> str:
        return (self.folder / "recipes" / "datasets.py").read_text("utf-8")


@cache
def shipped() -> Shipped:
    """Of a checkout, or where pip has put them: in `share/` of the environment, of the user, or of `--target`."""
    schemes = [
        sysconfig.get_path("data"),
        sysconfig.get_path("data", sysconfig.get_preferred_scheme("user")),
        str(ABOVE),
    ]
    places = [ABOVE, *(Path(scheme, "share", "harness") for scheme in schemes)]
    for place in places:
        if (place / "recipes" / "datasets.py").exists() and (place / "suites" / "test_tone.py").exists():
            return Shipped(place)
    raise HarnessError(
        f"the suites that come with the harness are not in {' or '.join(map(str, places[1:]))}.",
        "Install the harness again.",
    )


def with_declarations(suite: str, declarations: str) -> str:
    """A suite's text with what it imports from `recipes.datasets` declared in place; unchanged if it imports nothing."""
    tree = ast.parse(suite)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    of_recipes = [node for node in imports if node.module == "recipes.datasets"]
    if not of_recipes:
        return suite
    nodes = needed(declarations, [alias.name for node in of_recipes for alias in node.names])
    names = {alias.name for node in imports if node.module == "harness" for alias in node.names}
    names |= _imported_from_harness(declarations) & {name for node in nodes for name in _names_in(node)}
    lines = suite.splitlines()
    for node in reversed([node for node in imports if node.module == "harness" or node in of_recipes]):
        assert node.end_lineno is not None
        new = [_import_line(sorted(names))] if node.module == "harness" else []
        if node in of_recipes[-1:]:
            new = ["", *(_segment(declarations, declared) for declared in nodes)]
        lines[node.lineno - 1 : node.end_lineno] = new
    text = "\n".join(lines)
    text = text.replace("import pytest\n\nfrom harness", "import pytest\nfrom harness")  # both are installed there
    return re.sub(r"\n{4,}", "\n\n\n", text) + "\n"


def needed(declarations: str, names: list[str]) -> list[ast.stmt]:
    """The statements that declare the names, and all that those use, in the order of the file."""
    body = ast.parse(declarations).body
    by_name = {name: node for node in body for name in _declares(node)}
    wanted: list[ast.stmt] = []
    left = list(names)
    while left:
        node = by_name.get(left.pop())
        if node is not None and node not in wanted:
            wanted.append(node)
            left += _names_in(node)
    return [node for node in body if node in wanted]


def _declares(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _names_in(node: ast.AST) -> list[str]:
    return [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]


def _imported_from_harness(text: str) -> set[str]:
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom) and node.module == "harness"]
    return {alias.name for node in imports for alias in node.names}


def _segment(text: str, node: ast.stmt) -> str:
    """A statement as it is written, with the comments in it; a function stands apart, as formatters want it."""
    assert node.end_lineno is not None
    own = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
    return f"\n{own}\n\n" if isinstance(node, ast.FunctionDef) else own


def _import_line(names: list[str]) -> str:
    line = f"from harness import {', '.join(names)}"
    return line if len(line) <= LINE else "\n".join(["from harness import (", *(f"    {name}," for name in names), ")"])
