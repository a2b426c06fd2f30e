"""Who may import whom: the arrows of the tree, by syntax; and what a session never loads, by running it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.fingerprint.planning import ANSWERS, TRAINS

ROOT = Path(harness.__file__).parents[1]
TORCH_FAMILY = {"torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "lm_eval"}
WORKERS = {"training", "models"}  # folders of harness/ that run in worker processes
# Of those folders, what the session itself reads: versions and published sizes, which load nothing at import.
COUNTS_WEIGHTS = Path("harness/plan.py")  # for `harness plan` alone, which no session runs


def modules(folder):
    found = {path.relative_to(ROOT): path for path in sorted((ROOT / folder).rglob("*.py"))}
    assert found, f"{folder}/ holds no modules"
    return found


def imported(path, top_level=False):
    """The dotted names a file imports; with `top_level`, without those inside functions."""
    names = set()
    for node in walk(ast.parse(path.read_text(encoding="utf-8")), top_level):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its arrow"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def walk(node, top_level):
    for child in ast.iter_child_nodes(node):
        if top_level and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue  # for the reader; never run
        yield child
        yield from walk(child, top_level)


def packages(path, **how):
    return {name.split(".")[0] for name in imported(path, **how)}


def in_workers(place):
    return len(place.parts) > 2 and place.parts[1] in WORKERS


def test_the_harness_imports_no_recipe_suite_or_report():
    may = {Path("harness/plugin.py"), Path("harness/cli.py"), Path("harness/cli_results.py")}
    found = {
        str(place): sorted(packages(path) & {"recipes", "suites", "harness.report", "tests", "benchmarks"})
        for place, path in modules("harness").items()
        if place not in may
    }
    assert {place: names for place, names in found.items() if names} == {}


def test_only_worker_folders_import_torch_and_its_family():
    found = {
        str(place): sorted(packages(path) & TORCH_FAMILY)
        for place, path in modules("harness").items()
        if not in_workers(place)
    }
    assert {place: names for place, names in found.items() if names} == {}
    assert any(packages(path) & TORCH_FAMILY for place, path in modules("harness").items() if in_workers(place))


def test_the_session_imports_no_worker_module():
    for place, path in modules("harness").items():
        if in_workers(place):
            continue
        names = {name for name in imported(path) if name.startswith(("harness.training.", "harness.models."))}
        assert not names or place == COUNTS_WEIGHTS, place
        assert not {name for name in imported(path, top_level=True) if name in names}, place


def test_only_the_warehouse_imports_duckdb():
    may = set(modules("harness/warehouse"))
    may |= {Path("harness/data/chunks.py")}  # reads crawls with it, in memory; no results
    for folder in ("harness", "recipes", "suites", "harness.report"):
        for place, path in modules(folder).items():
            assert place in may or "duckdb" not in packages(path), place


def test_only_the_plugin_imports_pytest():
    for place, path in modules("harness").items():
        assert place == Path("harness/plugin.py") or "pytest" not in packages(path), place


def test_nothing_imports_the_plugin_or_the_command():
    for folder in ("harness", "recipes", "suites", "harness.report"):
        for place, path in modules(folder).items():
            is_entry = place == Path("harness/__main__.py")  # `python -m harness` is the command
            assert is_entry or not imported(path) & {"harness.plugin", "harness.cli.main"}, place


def test_recipes_import_the_harness_and_each_other_only():
    for place, path in modules("recipes").items():
        assert packages(path) <= {"harness", "recipes", "dataclasses"}, place
        assert {name.split(".")[1] for name in imported(path) if name.startswith("harness.")} <= set(harness.__all__), (
            place
        )


def test_a_suite_never_imports_a_recipe():
    for place, path in modules("suites").items():
        names = {name for name in imported(path) if name.split(".")[0] in ("recipes", "suites", "harness.report")}
        assert {".".join(name.split(".")[:2]) for name in names} <= {"recipes.datasets"}, place


def test_reports_read_the_warehouse_only():
    allowed = {"harness.errors", "harness.warehouse"}
    for place, path in modules("harness.report").items():
        names = {name for name in imported(path) if name.split(".")[0] in ("harness", "recipes", "suites")}
        assert {".".join(name.split(".")[:2]) for name in names} <= allowed, place
        assert not packages(path) & TORCH_FAMILY, place


def test_steps_of_the_road_do_not_know_the_later_ones():
    road = [  # each may import those before it, and their own package
        {"errors"}, {"multiplicity"}, {"fingerprint", "statistics"}, {"data", "recipe", "suite"}, {"store", "devices"},
        {"scoring"}, {"evaluation"}, {"pairing"}, {"differences", "verdicts"}, {"telling"}, {"planning"}, {"worker", "jobs"},
        {"bench", "training_jobs"}, {"gates"}, {"adaptive", "forecast", "compare"},
        {"measuring"},  # which --adaptive stops once gates are decided
    ]  # fmt: skip
    rank = {name: i for i, names in enumerate(road) for name in names}
    for place, path in modules("harness").items():
        own = place.parts[1].removesuffix(".py")
        if own not in rank:
            continue
        used = {name.split(".")[1] for name in imported(path, top_level=True) if name.startswith("harness.")}
        later = {name for name in used if rank.get(name, 0) > rank[own]}
        assert not later, f"{place} imports {later}"


HEAVY = [*sorted(TORCH_FAMILY), "datasets", "duckdb", "pandas"]


@pytest.mark.parametrize(
    "module",
    [
        "plugin",
        "bench",
        "gates",
        "scoring",
        "statistics",
        "compare",
        "session",
        "environment",
        "published",
    ],
)
def test_importing_it_loads_nothing_heavy(module):
    code = f"import sys, harness.{module}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_planning_and_judging_load_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.bench import Bench; from harness.options import Options; from harness.gates import gates_of, judge\n"
        "bench = Bench.open(Path(sys.argv[1]), Path(sys.argv[2]), Options('mini', train=False))\n"
        "outcomes = [judge(bench, gate).verdict for subject in bench.subjects() for gate in gates_of(subject)]\n"
        "assert outcomes and set(outcomes) == {'skipped'}, outcomes\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("start", "listed", "changes_nothing"),
    [
        ("models/__main__.py", ANSWERS, {"models/memory.py", "models/energy.py"}),
        ("training/pretrain.py", TRAINS["pretrain"], {"training/callbacks.py", "training/resume.py"}),
        ("training/finetune.py", TRAINS["finetune"], {"training/callbacks.py", "training/resume.py"}),
    ],
)
def test_all_code_of_a_worker_that_can_change_its_results_is_hashed(start, listed, changes_nothing):
    """A module that a worker imports and no key covers would leave stale results in the store."""
    found, waiting = set(), [start]
    while waiting:
        place = waiting.pop()
        found.add(place)
        for name in imported(ROOT / "harness" / place):
            path = "/".join(name.split(".")[1:]) + ".py"
            inside = name.startswith(("harness.models.", "harness.training.")) and (ROOT / "harness" / path).exists()
            if inside and path not in found | changes_nothing:
                waiting.append(path)
    assert found <= set(listed)
