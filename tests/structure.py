"""The structure of the tree, measured from its syntax: rooms, arrows, levels, functions."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import harness

ROOT = Path(harness.__file__).parents[1]
LIBRARY = ROOT / "harness"
DECLARATIONS = ("recipes", "suites", "reports")  # of a project
FOLDERS = (*DECLARATIONS, "benchmarks")


@cache
def rooms() -> dict[str, tuple[Path, ...]]:
    """Room -> its modules: each entry of harness/, and the folders beside it."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in entries():
        name = "harness" if path.stem == "__init__" else f"harness.{path.stem}"
        found[name] = (path,) if path.is_file() else tuple(sorted(path.rglob("*.py")))
    return found | {folder: tuple(sorted((ROOT / folder).rglob("*.py"))) for folder in FOLDERS}


def entries() -> list[Path]:
    """What a listing of harness/ shows."""
    return [path for path in sorted(LIBRARY.iterdir()) if path.name != "__pycache__"]


def imported(path: Path, *, hints: bool = True) -> set[str]:
    """The dotted names that a file imports anywhere; those under TYPE_CHECKING with `hints` only."""
    names: set[str] = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), hints):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its arrow"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _nodes(node: ast.AST, hints: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if hints or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _nodes(child, hints)


def room_of(name: str) -> str | None:
    """The room that a dotted name lies in; None outside of the tree."""
    first, *rest = name.split(".")
    if first != "harness":
        return first if first in FOLDERS else None
    inner = f"harness.{rest[0]}" if rest else ""
    return inner if inner in rooms() else "harness"


@cache
def arrows() -> dict[str, frozenset[str]]:
    """Room -> the rooms that its modules import anywhere, functions and type hints included."""
    return {
        room: frozenset({room_of(name) for path in paths for name in imported(path)} - {None, room})
        for room, paths in rooms().items()
    }


@cache
def level(room: str) -> int:
    """How many rooms one can stack up to this one, each importing the one below."""
    return 1 + max((level(below) for below in arrows()[room]), default=0)


@dataclass(frozen=True)
class Function:
    """A function of the library."""

    name: str
    lines: int  # docstring included
    parameters: int  # without self
    is_command: bool  # a Typer command, whose parameters are its options


@cache
def functions() -> tuple[Function, ...]:
    """Every function and method of harness/."""
    found = []
    for path in sorted(LIBRARY.rglob("*.py")):
        is_cli = path.parent.name == "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                own = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
                command = is_cli and not node.name.startswith("_") and node.col_offset == 0
                lines = node.end_lineno - node.lineno + 1
                found.append(Function(f"{path.relative_to(ROOT)}:{node.name}", lines, len(own), command))
    return tuple(found)


@cache
def public_methods() -> dict[str, int]:
    """Class -> how many public methods and properties it has."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name[0] != "_"]
                found[f"{path.relative_to(ROOT)}:{node.name}"] = len(methods)
    return found


@cache
def lines_of(*folders: str) -> dict[str, int]:
    """Python file -> its lines."""
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
