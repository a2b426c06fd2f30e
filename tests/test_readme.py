"""README against the tool: what it names exists, and what exists is named."""

import re
import subprocess
import sys

import pytest

from tests.projects import ROOT, environment

README = (ROOT / "README.md").read_text()


def test_its_two_commands_are_targets_of_the_makefile():
    assert README.index("make demo") < README.index("make test") < README.index("## The road")
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_every_option_is_named_and_every_named_option_exists():
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    group = told[told.index("fine-tuning experiments") :]
    exist = set(re.findall(r"^\s+(--[a-z-]+)", group[: group.index("\n\n")], re.MULTILINE))
    table = README[README.index("## Options") : README.index("## The `harness` command")]
    assert exist == set(re.findall(r"(--[a-z][a-z-]+)", table))


def test_every_command_is_named_and_every_named_command_exists():
    told = subprocess.run(
        [sys.executable, "-m", "harness", "--help"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    exist = set(re.findall(r"^│ ([a-z]+) ", told, re.MULTILINE))
    table = README[README.index("## The `harness` command") : README.index("## Add an experiment")]
    assert exist
    assert exist == set(re.findall(r"`harness ([a-z]+)", table))


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:harness|recipes|suites|benchmarks)/[\w./]+\.\w+)`", README)))
)
def test_every_file_named_exists_or_is_made(path):
    assert (ROOT / path).exists() or path == "recipes/hub.lock.json"


def test_every_data_file_that_recipes_read_is_in_its_layout():
    declared = re.findall(r'"((?:[a-z]+)/[\w.]+\.(?:jsonl|txt|raw))"', (ROOT / "recipes" / "datasets.py").read_text())
    layout = README[README.index("expects this layout") : README.index("## Full scale")]
    assert declared
    assert [path for path in dict.fromkeys(declared) if f"`{path}`" not in layout] == []


def fenced(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def empty_project(tmp_path, monkeypatch):
    """A folder with a results file that has all tables and no rows."""
    from harness import warehouse

    with warehouse.connect(tmp_path / ".bench" / "results.duckdb"):
        pass
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_sql_runs_on_a_results_file(empty_project):
    import duckdb

    [text] = fenced("sql")
    statements = [one for one in text.split(";") if one.strip()]
    assert len(statements) >= 4
    with duckdb.connect(".bench/results.duckdb", read_only=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_its_pandas_runs_on_a_results_file(empty_project, capsys):
    [code] = [one for one in fenced("python") if "duckdb.connect" in one]
    exec(code, {})
    assert "Empty DataFrame" in capsys.readouterr().out


def test_its_workflow_is_yaml_whose_commands_exist():
    yaml = pytest.importorskip("yaml")
    [text] = fenced("yaml")
    jobs = yaml.safe_load(text)["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    options = {word for command in commands for word in re.findall(r"--[a-z][a-z-]+", command)}
    table = README[README.index("## Options") : README.index("## Data tools")]
    assert {o for o in options if o not in ("--constraint", "--junit-xml")} <= set(
        re.findall(r"(--[a-z][a-z-]+)", table)
    )
    assert any(command.startswith("harness gate") for command in commands)


def test_figures_are_filled_in():
    assert re.findall(r"@[A-Z_]+@", README) == []
