"""A task file of lm-eval -> every file that can change what it asks or how it scores."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

WORDS = re.compile(r"""'([^'\n]+)'|"([^"\n]+)"|([^\s'"{}\[\],()#]+)""")
FUNCTION = re.compile(r"!function\s+([\w.]+)")
IMPORTED = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))", re.MULTILINE)
DATA_FOLDER = re.compile(r"data_dir['\"]?\s*:\s*['\"]?([^\s'\"]+)")


def files_reached(task_file: Path) -> dict[str, Path]:
    """The task file, and by their paths relative to it all files it names: included task files, data, modules.

    A file counts as named where its path, absolute or relative to the file that names it or to the task file, stands in
    it as a word, or a glob that matches it; and where its name stands in a file of the same folder. Task files and
    modules that are named are read in the same way. Too much may count, which measures once more than needed.
    """
    reached: dict[Path, None] = {}
    left = [task_file.resolve()]
    while left:
        path = left.pop()
        if path in reached:
            continue
        reached[path] = None
        if path.suffix in (".yaml", ".yml", ".py"):
            left += _named_in(path, {path.parent, task_file.resolve().parent})
    return {os.path.relpath(path, task_file.resolve().parent): path for path in sorted(reached)}


def _named_in(path: Path, folders: set[Path]) -> list[Path]:
    text = path.read_text("utf-8", errors="replace")
    words = {next(filter(None, found)) for found in WORDS.findall(text)}
    modules = [name.rpartition(".")[0] for name in FUNCTION.findall(text)]
    if path.suffix == ".py":
        modules += [one or other for one, other in IMPORTED.findall(text)]
    words |= {f"{module.strip('.').replace('.', '/')}.py" for module in modules}
    found = [
        Path(match).resolve()
        for folder in folders
        for word in words
        for match in (
            [str(folder / word)] if not glob.has_magic(word) else glob.glob(str(folder / word), recursive=True)
        )
    ]
    for folder in folders:
        for name in DATA_FOLDER.findall(text):
            found += [one.resolve() for one in (folder / name).rglob("*")]
    beside = [one for one in path.parent.iterdir() if one.name in text or f"{one.stem}." in text]
    return [one for one in dict.fromkeys([*found, *(one.resolve() for one in beside)]) if _is_file(one)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a word that is too long for a name
        return False
