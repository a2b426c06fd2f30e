"""What pytest loads in every project of an environment that has the harness: next to nothing where there are no recipes.

Installed packages announce it to pytest as `pytest11`. In a folder with recipes it loads `harness.plugin`, so a project
needs no conftest.py for that; one that names the plugin all the same gets it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

OWN_OPTIONS = ("--scale", "--data-root", "--no-train", "--retrain", "--reevaluate", "--strict-gates", "--skip-bad-rows")


def declares_recipes(root: Path) -> bool:
    """Whether a folder is a project of the harness: one of the files in its `recipes/` speaks of it.

    A folder of that name alone may be anything, cooking recipes among others, and its files are not imported then.
    """
    return any(b"harness" in path.read_bytes() for path in (root / "recipes").glob("*.py"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    if declares_recipes(early_config.rootpath):
        early_config.pluginmanager.import_plugin("harness.plugin")
        return (yield)
    result = yield
    _, unknown = parser.parse_known_and_unknown_args(args)
    ours = [option for option in OWN_OPTIONS if any(word.split("=")[0] == option for word in unknown)]
    if ours and not early_config.pluginmanager.has_plugin("harness.plugin"):
        raise pytest.UsageError(
            f"{ours[0]} is an option of projects with recipes, and {early_config.rootpath} holds none.\n"
            "Change into such a project, name a path in it first (pytest suites/ ...), or begin one: harness init"
        )
    return result
