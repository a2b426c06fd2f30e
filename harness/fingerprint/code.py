"""Code -> a digest: whole folders of the harness, and functions of a project with all that they reach.

Code is hashed as its syntax tree, so that a comment, a docstring or the layout changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sysconfig
import textwrap
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from harness.environment import PACKAGE
from harness.files import FileDigests, sha256
from harness.fingerprint.values import digest

# What of the harness's own code each kind of result depends on: folders, so that a file added to one counts at once.
WEIGHTS = {  # by stage
    "pretrain": ("data/reading", "models/loading", "models/prefixes", "training/shared", "training/pretraining"),
    "fresh": ("data/reading", "models/loading", "models/prefixes", "training/shared", "training/pretraining"),
    "import": ("training/shared", "training/importing"),
    "finetune": ("data/reading", "models/loading", "models/prefixes", "training/shared", "training/finetuning"),
}
ANSWERS = (
    "data/reading", "models/loading", "models/prefixes", "models/passages", "models/answering", "evaluation/asking",
)  # fmt: skip
# In place of ANSWERS, of a server's model.
SERVED = ("data/reading", "models/passages", "models/endpoint", "evaluation/asking")
EMBEDDING = ("models/embedding",)  # beside ANSWERS, where passages are found by their vectors
ITEMS = ("data/overlap",)  # beside ANSWERS, where training rows are compared with evaluation items
SCORES = ("evaluation/scored", "scoring/metrics", "statistics")  # beside each suite's own scorer
EVIDENCE = ("gates/evidence", "scoring/metrics", "statistics")
ROWS = ("data/reading",)

Reached = dict[tuple[str, str], str]  # (module, name) of a function, class or constant -> its digest


class CodeDigests:
    """Digests of folders of the harness; code does not change while a session runs, so each is computed once."""

    def __init__(self, files: FileDigests) -> None:
        self.files = files
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, *folders: str) -> str:
        """One digest, of 16 characters, over all Python files and templates below these folders of the harness."""
        if folders not in self._known:
            self._known[folders] = self._of(folders)
        return self._known[folders]

    def _of(self, folders: tuple[str, ...]) -> str:
        found = {}
        for folder in folders:
            place = PACKAGE / folder
            assert place.is_dir(), f"{place} holds no code"
            for path in sorted([*place.rglob("*.py"), *place.rglob("*.jinja")]):
                name = path.relative_to(PACKAGE).as_posix()
                found[name] = self.files.of(path, "code", code_digest) if path.suffix == ".py" else self.files.of(path)
        return digest(found)[:16]


def code_digest(path: Path) -> str:
    """SHA-256 of a Python file's syntax tree."""
    return tree_digest(path.read_text(encoding="utf-8"))


def tree_digest(source: str) -> str:
    """SHA-256 of Python code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()  # ast.dump differs between Python versions


@cache
def function_digest(function: Callable[..., Any]) -> str:
    """Digest of a function with the functions, classes and constants it reaches by name.

    What lies in installed libraries is left to the environment record. A constant that is a `Path` counts
    by the file's bytes, a compiled pattern by its text. Modules do not count: a file may be imported as `test_tone`
    and as `suites.test_tone`.
    """
    reached: Reached = {}
    _reach(function, reached)
    return digest(sorted({(name, own) for (_, name), own in reached.items()}))


def _reach(thing: Any, reached: Reached) -> None:
    """Add a function or class, and all that its code names, to what was reached."""
    if isinstance(thing, partial):
        _reach(thing.func, reached)
        for given, value in [*enumerate(thing.args), *thing.keywords.items()]:
            _reach_value((thing.func.__module__, f"{thing.func.__qualname__}.given.{given}"), value, reached)
        return
    code = inspect.unwrap(thing) if callable(thing) and not isinstance(thing, type) else thing
    code = code.__func__ if isinstance(code, MethodType) else code
    module, name = thing.__module__, thing.__qualname__
    if _is_lambda(code):  # of which several may have this name, and be on one line
        name = f"{name}.{digest(_compiled(code.__code__))[:8]}"
    if (module, name) in reached:
        return
    reached[module, name] = _own_digest(code, name)
    if not isinstance(code, FunctionType | type):
        return
    functions = (
        [code] if isinstance(code, FunctionType) else [m for m in vars(code).values() if isinstance(m, FunctionType)]
    )
    for function in functions:
        for used, value in inspect.getclosurevars(function).nonlocals.items():
            _reach_value((module, f"{name}.{used}"), value, reached)
        for number, value in enumerate([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]):
            _reach_value((module, f"{name}.default{number}"), value, reached)
        for used in sorted(_names(function.__code__)):
            if used in function.__globals__:
                _reach_value((function.__module__, used), function.__globals__[used], reached)


@cache
def _own_digest(code: Any, name: str) -> str:
    """Digest of one function or class by its source; by its byte code where that has no lines of its own."""
    try:
        if not _is_lambda(code):
            return tree_digest(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):
        pass
    return digest(_compiled(code.__code__)) if isinstance(code, FunctionType) else name


def _is_lambda(code: Any) -> bool:
    return isinstance(code, FunctionType) and code.__name__ == "<lambda>"


def _compiled(code: CodeType) -> list[Any]:
    """What a function does, from its byte code: its instructions, constants and names."""
    constants = [_compiled(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]


def _names(code: CodeType) -> set[str]:
    """All names that a function's code refers to, those of functions within it among them."""
    inner = (c for c in code.co_consts if isinstance(c, CodeType))
    return set(code.co_names).union(*(_names(c) for c in inner))


def _reach_value(name: tuple[str, str], value: Any, reached: Reached) -> None:
    if isinstance(value, ModuleType):
        return
    if isinstance(value, partial):
        _reach(value, reached)
    elif callable(value) and hasattr(value, "__qualname__"):
        module = inspect.getmodule(value)
        if module is not None and _is_own(getattr(module, "__file__", None)):
            _reach(value, reached)
    elif isinstance(value, Path):
        reached[name] = sha256(value) if value.is_file() else str(value)
    elif isinstance(value, re.Pattern):
        reached[name] = f"{value.pattern}/{value.flags}"
    else:
        try:
            reached[name] = digest(value)
        except TypeError:
            return


def _is_own(file: str | None) -> bool:
    """Whether a module is the project's or the harness's own, not an installed library's."""
    if file is None:
        return False
    if Path(file).is_relative_to(PACKAGE):
        return True
    return not any(file.startswith(sysconfig.get_paths()[key]) for key in ("stdlib", "purelib", "platlib"))
