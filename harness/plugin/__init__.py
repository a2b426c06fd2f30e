"""What pytest loads: next to nothing, and the hooks where a project has recipes.

An installed harness announces this module to pytest as `pytest11`, so a project needs no conftest.py for it; one that
names it all the same, `pytest_plugins = ["harness.plugin"]`, gets it once.

hooks        pytest's hooks and the fixtures, each a line or two that hands over
gate_tests   claims as tests of the suites' files
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

HOOKS = "harness.plugin.hooks"
OWN_OPTIONS = ("--scale", "--data-root", "--no-train", "--retrain", "--reevaluate", "--strict-gates", "--skip-bad-rows")


def declares_recipes(root: Path) -> bool:
    """Whether a folder is a project of the harness: one of the files in its `recipes/` speaks of it.

    A folder of that name alone may be anything, cooking recipes among others, and its files are not imported then.
    """
    return any(b"harness" in path.read_bytes() for path in (root / "recipes").glob("*.py"))


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    if declares_recipes(config.rootpath):
        pluginmanager.import_plugin(HOOKS)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    result = yield
    if not early_config.pluginmanager.has_plugin(HOOKS):
        unknown = parser.parse_known_and_unknown_args(args)[1]
        ours = [word.split("=")[0] for word in unknown if word.split("=")[0] in OWN_OPTIONS]
        if ours:
            raise pytest.UsageError(
                f"{ours[0]} is an option of projects with recipes, and {early_config.rootpath} holds none.\n"
                "Change into such a project, name a path in it first (pytest suites/ ...), or begin one: harness init"
            )
    return result
