"""A project's files from templates: all of them at once, or one recipe or suite more. No file is ever overwritten."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from harness.errors import HarnessError
from harness.project.starting.shipped import shipped

TEMPLATES = Path(__file__).parent / "templates"
EXPERIMENT = (  # of which a project may have none yet
    "recipes/models.py", "recipes/kestrel.py", "suites/test_kestrel.py",
    "data/kestrel_answers.jsonl", "data/kestrel_questions.jsonl",
)  # fmt: skip
SURROUNDINGS = {  # which a repository may have already, as its own
    "pyproject.toml": "pyproject.toml",
    ".gitignore": "gitignore",
    ".github/workflows/fine-tuning.yml": "workflow.yml",
}


@dataclass(frozen=True)
class Begun:
    """What was written, and what was there already and was left as it is; paths below the folder."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...] = ()


def begin(folder: Path, suites: Sequence[str] = (), model: str | None = None) -> Begun:
    """Write a project with one experiment that runs at once, and the suites named of those that come with the harness.

    Its experiment trains SmolLM2-135M at mini scale, or the model given: a folder, a .gguf file or a hub id.
    Raises HarnessError before anything is written where a suite does not exist or a file of the experiment does.
    """
    words = {**_model(model), "scale": "tiny" if model is None else "mini"}
    if any((folder / "recipes").glob("*.py")):
        raise HarnessError(f"{folder / 'recipes'} holds recipes already.", "Add to them: harness new recipe NAME")
    own = {name: _filled(name, words) for name in EXPERIMENT}
    own |= {f"suites/test_{name}.py": shipped().suite(name) for name in suites}
    around = {name: _filled(template, words) for name, template in SURROUNDINGS.items()}
    _write(folder, own)
    kept = [name for name in around if (folder / name).exists()]
    for name in kept:
        del around[name]
    _write(folder, around)
    return Begun(folder, (*own, *around), tuple(kept))


def add_suites(root: Path, names: Sequence[str]) -> Begun:
    """Write suites that come with the harness into a project."""
    files = {f"suites/test_{name}.py": shipped().suite(name) for name in names}
    _write(root, files)
    return Begun(root, tuple(files))


def new_recipe(root: Path, name: str) -> Begun:
    """Write a recipe to fill in, on the model that the project's recipes/models.py declares first, else on SmolLM2."""
    declared = re.compile(rf"""name=["\']{re.escape(name)}["\']""")
    for path in (root / "recipes").glob("[!.]*.py"):
        if declared.search(path.read_text("utf-8", errors="replace")):
            raise HarnessError(f"{path} declares something called {name!r} already.", "Choose another name.")
    models = root / "recipes" / "models.py"
    text = models.read_text("utf-8") if models.exists() else ""
    there = next((one for one in ("MODEL", "SMOLLM2") if f"\n{one} = " in text), None)
    if there is not None:
        words = {"import_models": f"\nfrom recipes.models import {there}\n", "declared": "", "gguf": "", "base": there}
    else:
        words = {
            "import_models": "",
            "declared": f"{shipped().model('SMOLLM2')}\n\n",
            "gguf": "Gguf, ",
            "base": "SMOLLM2",
        }
    return _new(root, f"recipes/{name}.py", "recipe.py", name, words)


def new_suite(root: Path, name: str) -> Begun:
    """Write a suite to fill in."""
    return _new(root, f"suites/test_{name}.py", "suite.py", name, {})


def _new(root: Path, place: str, template: str, name: str, words: Mapping[str, str]) -> Begun:
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise HarnessError(f"{name!r} cannot be a name.", "Use lower-case letters, digits and _, as in short_answers.")
    _write(root, {place: _filled(template, {"name": name, "NAME": name.upper(), **words})})
    return Begun(root, (place,))


def _model(model: str | None) -> dict[str, str]:
    """How the model is declared in recipes/models.py, and called in a recipe."""
    if model is None:
        return {"model": shipped().model("SMOLLM2"), "base": "SMOLLM2", "gguf": "Gguf, "}
    path = Path(model).expanduser()
    place = str(path.absolute()) if path.exists() else model
    written = json.dumps(place, ensure_ascii=False)
    if place.endswith(".gguf"):
        return {"model": f"MODEL = Gguf({written})", "base": "MODEL", "gguf": "Gguf, "}
    return {"model": f"MODEL = {written}", "base": "MODEL", "gguf": ""}


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text("utf-8")).substitute(words)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files, or none where one is there already."""
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise HarnessError(
            f"{folder / there[0]} is there already; nothing was written.",
            "Move it away, or choose another name or folder.",
        )
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
