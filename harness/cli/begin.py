"""A project's first files, and further ones: init, new, add."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.project import find_root
from harness.project.starting.begin import Begun, add_suites, begin, new_recipe, new_suite
from harness.project.starting.shipped import shipped

new_app = typer.Typer(no_args_is_help=True, help="One more recipe or suite, to fill in.")
add_app = typer.Typer(no_args_is_help=True, help="What comes with the harness, as files of the project.")


def init(
    directory: Annotated[Path, typer.Argument(help="default: here")] = Path("."),
    suites: Annotated[str | None, typer.Option(help="a,b: of those that come with the harness")] = None,
    model: Annotated[
        str | None, typer.Option(help="what its recipe trains: a folder, a .gguf file or a hub id")
    ] = None,
) -> None:
    """Begin a project: one experiment that runs at once, and what belongs around it. No file is overwritten."""
    _say(begin(directory, _names(suites), model))
    print("\nNext:" + ("" if directory == Path(".") else f" cd {directory};") + " pytest suites/")


@new_app.command("recipe")
def recipe(name: str) -> None:
    """Write recipes/NAME.py, to fill in."""
    _say(new_recipe(find_root(Path.cwd()), name))
    print(f"\nNext: put rows into data/{name}.jsonl, say what is claimed, then: pytest suites/ -k {name} --scale mini")


@new_app.command("suite")
def suite(name: str) -> None:
    """Write suites/test_NAME.py, to fill in."""
    _say(new_suite(find_root(Path.cwd()), name))
    print(f"\nNext: put questions into data/{name}.jsonl, then: pytest suites/test_{name}.py --scale mini")


@add_app.command("suite")
def suites(names: Annotated[list[str] | None, typer.Argument(help="without one: list them")] = None) -> None:
    """Write suites that come with the harness into suites/, with their questions: to run, to read, to change."""
    if not names:
        print(", ".join(shipped().names))
        return
    _say(add_suites(find_root(Path.cwd()), names))


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


def _say(begun: Begun) -> None:
    for name in begun.written:
        print(f"wrote {name}")
    for name in begun.kept:
        print(f"kept {name} as it is")
    if "pyproject.toml" in begun.kept:
        print(
            "Without a setting of its own there, the scale is mini; give it as an option: pytest suites/ --scale tiny"
        )
