"""Who may import whom: the arrows of the tree, by syntax; and what a session never loads, by running it."""

import re
import subprocess
import sys

import pytest

import harness
from tests.structure import DECLARATIONS, LIBRARY, arrows, imported, rooms

TORCH_FAMILY = {"torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "lm_eval"}
HEAVY = [*sorted(TORCH_FAMILY), "datasets", "duckdb", "pandas"]
WORKERS = {"harness.training", "harness.models"}
ROAD = re.findall(r"^    (\w+)  ", harness.__doc__, flags=re.MULTILINE)  # the map of the package's docstring


def packages(room):
    """The top-level packages that a room's modules import, type hints included."""
    return {name.split(".")[0] for path in rooms()[room] for name in imported(path)}


def loaded(room):
    """The same without type hints: what running it could load."""
    return {name.split(".")[0] for path in rooms()[room] for name in imported(path, hints=False)}


def test_the_map_names_every_room():
    inner = {room.removeprefix("harness.") for room in rooms() if room.startswith("harness.")}
    assert sorted(ROAD) == sorted(inner - {"__main__"})


@pytest.mark.parametrize("word", ROAD)
def test_a_room_imports_only_rooms_above_it_on_the_map(word):
    above = {f"harness.{name}" for name in ROAD[: ROAD.index(word)]}
    assert arrows()[f"harness.{word}"] <= above


def test_the_library_never_imports_what_a_project_declares():
    for room in rooms():
        if room.startswith("harness"):
            assert not packages(room) & {*DECLARATIONS, "tests", "benchmarks"}, room


def test_only_workers_import_torch_and_its_family():
    assert {room for room in rooms() if room.startswith("harness") and packages(room) & TORCH_FAMILY} == WORKERS


def test_only_workers_import_each_other():
    assert {room for room in arrows() if arrows()[room] & WORKERS} <= WORKERS | {"benchmarks"}


def test_only_the_warehouse_opens_duckdb_and_what_reads_crawls_or_writes_samples_as_parquet():
    assert {room for room in rooms() if room != "benchmarks" and "duckdb" in loaded(room)} == {
        "harness.warehouse",
        "harness.data",
        "harness.evaluation",
    }
    for path in rooms()["harness.data"]:
        within = path.is_relative_to(LIBRARY / "data" / "tools")
        assert within or "duckdb" not in imported(path), path


def test_only_the_plugin_imports_pytest():
    assert {room for room in rooms() if room.startswith("harness") and "pytest" in packages(room)} == {"harness.plugin"}


def test_recipes_use_public_names_and_each_other():
    for path in rooms()["recipes"]:
        names = imported(path)
        assert {name.split(".")[0] for name in names} <= {"harness", "recipes", "dataclasses"}, path
        used = {name.removeprefix("harness.") for name in names if name.startswith("harness.")}
        assert used <= set(harness.__all__), path


def test_a_suite_knows_data_but_no_recipe():
    for path in rooms()["suites"]:
        of_project = {name for name in imported(path) if name.split(".")[0] in DECLARATIONS}
        assert {".".join(name.split(".")[:2]) for name in of_project} <= {"recipes.datasets"}, path


def test_a_report_knows_no_recipe_and_no_suite():
    assert arrows()["reports"] <= {"harness", "harness.report"}


def run(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=LIBRARY.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("room", [word for word in ROAD if f"harness.{word}" not in {*WORKERS, "harness.warehouse"}])
def test_importing_a_room_loads_nothing_heavy(room):
    code = f"""
import importlib, pkgutil, sys
room = importlib.import_module("harness.{room}")
for module in pkgutil.walk_packages(getattr(room, "__path__", []), room.__name__ + "."):
    importlib.import_module(module.name)
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert run(code) == "[]"


def test_planning_and_judging_load_nothing_heavy(tmp_path):
    code = f"""
import sys
from pathlib import Path
from harness.session.options import Options
from harness.session.setup import open_setup, store_of
setup = open_setup(Path(sys.argv[1]), store_of(Path(sys.argv[2]), None), Options("mini", train=False))
gates = setup.gates
outcomes = [setup.judge.judge(gate).verdict for gate in gates.of_all(setup.project.subjects())]
assert outcomes and set(outcomes) == {{"skipped"}}, outcomes
print([name for name in {[*HEAVY, "numpy", "scipy"]} if name in sys.modules])
"""
    assert run(code, str(LIBRARY.parent), str(tmp_path)) == "[]"
