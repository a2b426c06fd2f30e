"""Suites that come with the harness, as files of any project: whole in themselves, and the very same measurement."""

import ast
import importlib
import subprocess
import sys

import pytest

from harness.data.reading.rows import Access
from harness.errors import HarnessError
from harness.files import FileDigests
from harness.fingerprint.data import DataKeys
from harness.fingerprint.evaluations import suite_spec
from harness.project.declared import load_suites
from harness.project.starting.shipped import Shipped, needed, shipped, with_declarations
from tests.projects import ROOT

DECLARATIONS = '''
"""Rows."""

from harness import Dataset, Embedded, Hub

BIRDS = Dataset(name="birds", mini=Embedded("birds"))  # of Europe
FISH = Dataset(name="fish", mini=Hub("fish"))


def asked(name):
    return Dataset(name=name, mini=BIRDS.mini)


ASKED, OTHER = asked("asked"), FISH
'''
SUITE = '''"""Questions."""

import pytest

from harness import Sample, Suite
from recipes.datasets import BIRDS

LEAST = 3
'''


def test_what_a_suite_imports_from_the_recipes_is_declared_in_its_own_file():
    assert with_declarations(SUITE, DECLARATIONS) == (
        '"""Questions."""\n\nimport pytest\nfrom harness import Dataset, Embedded, Sample, Suite\n\n'
        'BIRDS = Dataset(name="birds", mini=Embedded("birds"))  # of Europe\n\nLEAST = 3\n'
    )


def test_declarations_bring_all_that_they_use_in_the_order_of_the_file():
    first_lines = [ast.unparse(node).split("\n")[0] for node in needed(DECLARATIONS, ["ASKED"])]
    assert [line.split("(")[0] for line in first_lines] == [
        "BIRDS = Dataset",
        "FISH = Dataset",
        "def asked",
        "ASKED, OTHER = ",
    ]


def test_a_suite_that_imports_no_rows_is_taken_as_it_is():
    text = '"""Nothing."""\n\nfrom harness import Suite\n'
    assert with_declarations(text, DECLARATIONS) == text


def test_the_suites_of_this_repository_come_with_the_harness_but_not_its_test_of_claims():
    assert {"tone", "recall", "retention", "stability"} <= set(shipped().names)
    assert "gates" not in shipped().names


def test_an_unknown_suite_is_refused_with_those_that_there_are():
    with pytest.raises(HarnessError, match="no suite 'tune' comes with the harness") as error:
        shipped().suite("tune")
    assert "tone" in error.value.remedy


def test_a_folder_holds_what_its_files_say(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "suites" / "test_birds.py").write_text(SUITE)
    (tmp_path / "recipes" / "datasets.py").write_text(DECLARATIONS)
    (tmp_path / "recipes" / "models.py").write_text('SMALL = "org/small"\nLARGE = "org/large"\n')
    own = Shipped(tmp_path)
    assert own.names == ["birds"]
    assert own.suite("birds") == with_declarations(SUITE, DECLARATIONS)
    assert own.model("LARGE") == 'LARGE = "org/large"'


@pytest.mark.usefixtures("projects_apart")
def test_a_suite_measures_the_same_in_another_project(tmp_path):
    """Its key is made of the same questions, rows and scorer, so no subject is measured twice in one store."""

    def keys(root):
        data = DataKeys(Access("mini"), FileDigests(None), pin=False, without_data=True)
        found = {}
        for name, suite in load_suites(root).items():
            rows = data.of(suite.dataset, "mini") if suite.dataset is not None else None
            found[name] = {**suite_spec(suite), "data": rows}
        for name in [name for name in sys.modules if name.split(".")[0] in ("recipes", "suites")]:
            del sys.modules[name]
        sys.path.remove(str(root))
        importlib.invalidate_caches()
        return found

    (tmp_path / "suites").mkdir()
    for name in shipped().names:
        (tmp_path / "suites" / f"test_{name}.py").write_text(shipped().suite(name))
    here, there = keys(ROOT), keys(tmp_path)
    assert there == here
    assert len(there) >= 13


def test_the_files_written_are_formatted(tmp_path):
    for name in shipped().names:
        (tmp_path / f"test_{name}.py").write_text(shipped().suite(name))
    pytest.importorskip("ruff")
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--select", "F,W,E7,E9"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *config, str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
