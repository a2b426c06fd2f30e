"""A task file of lm-eval -> every file that can change what it asks or how it scores."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

WORDS = re.compile(r"""'([^'\n]+)'|"([^"\n]+)"|([^\s'"{}\[\],()#]+)""")
FUNCTION = re.compile(r"!function\s+([\w.]+)")
IMPORTED = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))", re.MULTILINE)
INCLUDED = re.compile(r"^\s*-?\s*include\s*:\s*['\"]?([^\s'\"#]+)", re.MULTILINE)
DATA = re.compile(r"(?:dataset_path|data_dir|data_files)['\"]?\s*:\s*['\"]?([^\s'\"{}\[\],]+)")


def files_reached(task_file: Path) -> dict[str, Path]:
    """The task file, and by their paths relative to it all files it names: included task files, data, modules.

    A file counts as named where its path, absolute or relative to the file that names it or to the task file, stands in
    it as a word, or, in a task file, a glob that matches it; a folder of data counts with all its files; and a file
    counts where its name stands in a file of the same folder. Task files, under whatever name they are included, and
    modules that are named are read in the same way. Too much may count, which measures once more than needed.
    """
    home = task_file.resolve().parent
    reached: dict[Path, None] = {}
    tasks = {task_file.resolve()}
    left = [task_file.resolve()]
    while left:
        path = left.pop()
        if path in reached:
            continue
        reached[path] = None
        folders = {path.parent, home}
        if path in tasks or path.suffix in (".yaml", ".yml"):
            text = path.read_text("utf-8", errors="replace")
            tasks |= {(folder / name).resolve() for folder in folders for name in INCLUDED.findall(text)}
            left += [*_named_in(path, text, folders), *_data_of(text, folders, home)]
        elif path.suffix == ".py":
            left += _named_in(path, path.read_text("utf-8", errors="replace"), folders)
    return {os.path.relpath(path, home): path for path in sorted(reached)}


def _named_in(path: Path, text: str, folders: set[Path]) -> list[Path]:
    """The files whose paths are words of the text, the modules it names, and those of its folder whose names it holds."""
    words = {next(filter(None, found)) for found in WORDS.findall(text)}
    modules = [name.rpartition(".")[0] for name in FUNCTION.findall(text)]
    if path.suffix == ".py":
        modules += [one or other for one, other in IMPORTED.findall(text)]
    words |= {f"{module.strip('.').replace('.', '/')}.py" for module in modules}
    named = [folder / word for folder in folders for word in words]
    beside = [one for one in path.parent.iterdir() if one.name in text or f"{one.stem}." in text]
    return [one.resolve() for one in [*named, *beside] if _is_file(one)]


def _data_of(text: str, folders: set[Path], home: Path) -> list[Path]:
    """The files of a task's data folders, and those that its globs match; globs only below the task file's folder, or
    where they say otherwise themselves.
    """
    found: list[Path] = []
    for folder in folders:
        for name in DATA.findall(text):
            inside = "*" if folder / name == folder else "**/*"  # of the folder itself, its files alone
            found += (folder / name).glob(inside) if (folder / name).is_dir() else []
        for word in {next(filter(None, one)) for one in WORDS.findall(text)}:
            if glob.has_magic(word) and re.search(r"\w", word):
                matches = [Path(match).resolve() for match in glob.glob(str(folder / word), recursive=True)]
                anywhere = word.startswith(("/", ".."))
                found += [match for match in matches if anywhere or match.is_relative_to(home)]
    return [one.resolve() for one in found if _is_file(one)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a word that is too long for a name
        return False
