"""docs/own-project.md as a newcomer follows it: from the wheel, in an environment of its own, without the checkout.

The environment's own packages come first, then those that this test runs with, so that nothing is fetched.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.projects import ROOT

pytest.importorskip("torch")
pytest.importorskip("trl")

PAGE = (ROOT / "docs" / "own-project.md").read_text()


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment into which pip has installed the wheel; its folder of commands."""
    place = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, place / "source", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place / "dist", place / "source"]
    subprocess.run(wheel, check=True, cwd=place)
    venv.create(place / "env", with_pip=False, symlinks=True)
    python = place / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "-q", "--no-deps", *(place / "dist").iterdir()], check=True, cwd=place
    )
    packages = next((place / "env" / "lib").glob("python*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    shutil.rmtree(place / "source")
    return python.parent


def run(installed, folder, command):
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env |= {"PATH": f"{installed}:{env['PATH']}", "HF_HUB_OFFLINE": "1", "COLUMNS": "120", "PYTHONSAFEPATH": "1"}
    command = re.sub(
        r"\b(pytest|harness) ", lambda word: {"pytest": "python -m pytest ", "harness": "harness "}[word[1]], command
    )
    return subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def project(installed, tmp_path_factory):
    """The folder in which the page's first commands were run, and what the last of them printed."""
    folder = tmp_path_factory.mktemp("empty")
    commands = fenced("bash")[0].splitlines()
    assert commands[0].startswith("pip install")
    done = run(installed, folder, "\n".join(["set -e", *commands[1:]]))
    return folder / "my_project", done


def test_three_commands_lead_to_a_claim_that_holds_and_a_report(installed, project):
    folder, done = project
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 claim holds." in done.stdout
    assert "3 passed" in done.stdout
    assert (folder / ".bench" / "reports" / "report.html").stat().st_size > 20_000
    assert f"report: {folder}/.bench/reports/report.html" in done.stdout
    where = run(installed, folder, "python -c 'import harness; print(harness.__file__)'").stdout
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_second_session_has_nothing_to_do(installed, project):
    folder, _ = project
    done = run(installed, folder, "pytest suites/")
    assert done.returncode == 0, done.stdout
    assert "to train" not in done.stdout


def test_a_projects_own_package_reports_is_left_alone(installed, project):
    folder, _ = project
    own = folder / "reports"
    own.mkdir()
    (own / "__init__.py").write_text("MINE = 1\n")
    (own / "sales.py").write_text("raise RuntimeError('not to be imported')\n")
    (folder / "suites" / "test_mine.py").write_text("from reports import MINE\n\n\ndef test_mine():\n    assert MINE\n")
    for written in ("reports", "results.duckdb"):  # as if nothing had been reported yet
        subprocess.run(["rm", "-r", folder / ".bench" / written], check=True)
    done = run(installed, folder, "pytest suites/ -p no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "1 claim holds." in done.stdout
    assert run(installed, folder, "harness report").returncode == 0
    assert (folder / ".bench" / "reports" / "report.html").stat().st_size > 20_000
    assert {path.name for path in own.iterdir()} <= {"__init__.py", "sales.py", "__pycache__"}
    (folder / "suites" / "test_mine.py").unlink()


def test_what_the_page_declares_is_collected_with_its_claim(installed, project):
    folder, _ = project
    done = run(installed, folder, "\n".join(["set -e", fenced("bash")[2]]))
    assert done.returncode == 0, done.stderr
    recipe, suite = fenced("python")
    (folder / "recipes" / "short_answers.py").write_text(recipe)
    (folder / "suites" / "test_manners.py").write_text(suite)
    rows = [{"id": str(i), "prompt": f"What is {i}?", "completion": str(i)} for i in range(3)]
    for name in ("short_answers", "manners"):
        (folder / "data" / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = run(installed, folder, "pytest suites/ --scale mini --collect-only -q")
    assert "suites/test_manners.py::test_gate[short_answers-mini-manners-words]" in done.stdout, done.stdout
    assert "suites/test_tone.py::test_tone[short_answers-mini]" in done.stdout
    lines = [line for text in (recipe, suite) for line in text.splitlines() if line.strip()]
    assert len(lines) <= 25


def test_the_settings_shown_are_read(tmp_path, monkeypatch):
    from harness.session.settings import settings_of

    (tmp_path / "data").mkdir()
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pyproject.toml").write_text(fenced("toml")[0])
    settings = settings_of(tmp_path)
    assert (settings.scale, settings.data_root, settings.store) == ("mini", tmp_path / "data", Path("/data/store"))
    assert settings.tasks == ("arc_easy", f"{tmp_path}/tasks/own.yaml:fewshot=2")


def test_tests_of_other_projects_in_that_environment_run_as_before(installed, tmp_path):
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--scale', '--gpu')\n")
    (tmp_path / "test_other.py").write_text(
        "def test_scale(request):\n    assert request.config.getoption('--scale') == '3'\n"
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "soup.py").write_text("raise RuntimeError('not to be imported')\n")
    (tmp_path / "recipes" / ".#soup.py").symlink_to("nowhere")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "test_package.py").write_text("from harness import MINE\n\n\ndef test_mine():\n    assert MINE\n")
    done = run(installed, tmp_path, "pytest --scale 3")
    assert done.returncode == 0, done.stdout
    done = run(installed, tmp_path, "pytest -p no:cacheprovider --data-root x")
    assert "--data-root is an option of projects with recipes" in done.stderr
