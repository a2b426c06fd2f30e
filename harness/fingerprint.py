"""Values, data bytes and code -> a digest; and what differs between two.

No torch, no rows: a file is hashed once and remembered by size and mtime, code is hashed as its syntax tree,
so that a comment or a docstring changes nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
import os
import re
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

SHORT = 8  # characters of a digest shown to people


def canonical(value: Any) -> str:
    """One JSON text per value: sorted keys, no spaces; dataclasses by type name and fields."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as JSON types; TypeError for what has no fixed text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"is": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot be fingerprinted")


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, as 64 hexadecimal characters."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def differences(there: Any, here: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(field, value there, value here) for every leaf that differs between two specs."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(k for k in here if k not in there)]:
            yield from differences(there.get(key), here.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif there != here:
        yield path, there, here


def short(key: str) -> str:
    """A digest as people see it."""
    return key[:SHORT]


class FileDigests:
    """SHA-256 of files, remembered by path, size and mtime in one JSON file."""

    def __init__(self, memory: Path | None) -> None:
        self.memory = memory
        self.known: dict[str, Any] = {}
        self.changed = False
        if memory is not None and memory.exists():
            try:
                known = json.loads(memory.read_text())
            except ValueError:
                known = None  # a memory only: every digest can be computed again
            self.known = known if isinstance(known, dict) else {}

    def of(self, path: Path, kind: str = "bytes") -> str:
        """The file's digest; `kind` 'code' hashes a Python file's syntax tree without docstrings."""
        stat = path.stat()
        key = f"{kind}:{os.path.abspath(path)}"
        remembered = self.known.get(key)
        if remembered and remembered[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(remembered[2])
        found = code_tree_digest(path.read_text()) if kind == "code" else sha256(path)
        self.learn(key, [stat.st_size, stat.st_mtime_ns, found])
        return found

    def of_folder(self, folder: Path) -> str:
        """One digest over the names and bytes of all files below a folder."""
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        return digest({str(p.relative_to(folder)): self.of(p) for p in files})

    def of_code(self, *places: Path) -> str:
        """One digest over the syntax trees of Python files, and the bytes of templates beside them."""
        found = {}
        for place in places:
            files = [place] if place.is_file() else sorted([*place.rglob("*.py"), *place.rglob("*.jinja")])
            for path in files:
                assert path.name not in found, path
                found[path.name] = self.of(path, "code" if path.suffix == ".py" else "bytes")
        return digest(found)

    def learn(self, key: str, value: Any) -> None:
        """Remember something else that follows from bytes alone."""
        self.known[key] = value
        self.changed = True

    def remember(self) -> None:
        """Write the memory, if something was learnt."""
        if self.memory is None or not self.changed:
            return
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.memory.with_suffix(f".{id(self)}.tmp")
        temporary.write_text(json.dumps(self.known))
        temporary.replace(self.memory)
        self.changed = False


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_tree_digest(source: str) -> str:
    """SHA-256 of the code without comments, docstrings, layout."""
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
    by the file's bytes, a compiled pattern by its text.
    """
    reached: dict[str, str] = {}
    _reach(function, reached)
    return digest(reached)


def _reach(thing: Any, reached: dict[str, str]) -> None:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name in reached:
        return
    code = inspect.unwrap(thing) if callable(thing) and not isinstance(thing, type) else thing
    try:
        reached[name] = code_tree_digest(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):
        reached[name] = name
        return
    functions = (
        [code] if isinstance(code, FunctionType) else [m for m in vars(code).values() if isinstance(m, FunctionType)]
    )
    for function in functions:
        for used, value in inspect.getclosurevars(function).nonlocals.items():
            _reach_value(f"{name}.{used}", value, reached)
        for number, value in enumerate([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]):
            _reach_value(f"{name}.default{number}", value, reached)
        for used in sorted(_names(function.__code__)):
            if used in function.__globals__:
                _reach_value(f"{function.__module__}.{used}", function.__globals__[used], reached)


def _names(code: CodeType) -> set[str]:
    inner = (c for c in code.co_consts if isinstance(c, CodeType))
    return set(code.co_names).union(*(_names(c) for c in inner))


def _reach_value(name: str, value: Any, reached: dict[str, str]) -> None:
    if isinstance(value, ModuleType):
        return
    if callable(value) and hasattr(value, "__qualname__"):
        module = inspect.getmodule(value)
        if module is not None and _is_own(getattr(module, "__file__", None)):
            _reach(value, reached)
        return
    if isinstance(value, Path):
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
    if f"{Path(file).parent}/".find("/harness/") >= 0:
        return True
    return not any(file.startswith(sysconfig.get_paths()[key]) for key in ("stdlib", "purelib", "platlib"))
