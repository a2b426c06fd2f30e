"""The scripts of benchmarks/: each explains itself, and all that it takes from the harness is there."""

import ast
import importlib
import subprocess
import sys

import pytest

from tests.projects import ROOT, environment

SCRIPTS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in ("setting", "loopback"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_it_says_what_it_measures(path):
    done = subprocess.run(
        [sys.executable, path, "--help"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(ast.get_docstring(ast.parse(path.read_text()))) > 40


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_all_that_it_imports_of_the_harness_is_there(path):
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("harness"):
            module = importlib.import_module(node.module)
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            submodules = [name for name in missing if importlib.util.find_spec(f"{node.module}.{name}") is None]
            assert submodules == [], node.module
