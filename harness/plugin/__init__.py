"""What pytest loads: next to nothing, and the hooks where a project has recipes.

An installed harness announces this module to pytest as `pytest11`, so a project needs no conftest.py for it; one that
names it all the same, `pytest_plugins = ["harness.plugin"]`, gets it once.

hooks        pytest's hooks and the fixtures, each a line or two that hands over
gate_tests   claims as tests of the suites' files
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

HOOKS = "harness.plugin.hooks"
IMPORT = re.compile(rb"^\s*(from|import) harness\b", re.MULTILINE)
OWN_OPTIONS = ("--scale", "--data-root", "--no-train", "--retrain", "--reevaluate", "--strict-gates", "--skip-bad-rows")


def is_project(root: Path) -> bool:
    """Whether a folder is a project of the harness: a file in its `recipes/` or `suites/` imports it, or its conftest.py
    names this plugin.

    Folders of these names may be anything, cooking recipes among others, and their files are not imported then.
    """
    files = [path for folder in ("recipes", "suites") for path in (root / folder).glob("[!.]*.py")]
    if any(IMPORT.search(_bytes_of(path)) for path in files):
        return True
    return b"harness.plugin" in _bytes_of(root / "conftest.py") and (root / "recipes").is_dir()


def _bytes_of(path: Path) -> bytes:
    """A file's bytes; none where it is no file, or cannot be read."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    if is_project(config.rootpath):
        pluginmanager.import_plugin(HOOKS)
        return
    # Elsewhere `harness` may be a package of the tests' own, which an import must find as if this one were not loaded.
    for name in [name for name in sys.modules if name == "harness" or name.startswith("harness.")]:
        del sys.modules[name]


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
