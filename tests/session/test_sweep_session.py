"""A session that sweeps a recipe: left out unless it is named, trained, compared, reported."""

import json

import duckdb
import pytest

from tests.projects import run_harness, run_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")

RECIPES = '''
"""Two rates, one of them the declared one."""

from harness import Sweep
from recipes.tiny import PLAIN

RATES = Sweep(PLAIN, "sweep_of_rates", learning_rate=[5e-3, 1e-2], chosen_by=("look", "nonempty"))
'''
METRICS = 'metrics=[Mean("words", better="lower"), Mean("nonempty", better="higher")], scorer=length'
SELECTED = ("-k", "plain and sweep", "--scale", "mini")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "recipes" / "rates.py").write_text(RECIPES.lstrip())
    suite = root / "suites" / "test_look.py"
    suite.write_text(
        suite.read_text().replace("import Generate,", "import Generate, Mean,").replace("scorer=length", METRICS)
    )
    return root, *run_session(root, *SELECTED)


def test_both_settings_are_trained_and_measured_beside_their_base(session):
    root, status, said = session
    assert status == 0, said
    assert "2 passed" in said
    with duckdb.connect(str(root / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT subject, setting, own, base, score IS NOT NULL, over_base IS NOT NULL FROM sweeps ORDER BY place"
        ).fetchall()
    assert rows == [
        ("plain_sweep_of_rates-mini-learning_rate0.005", "learning_rate 0.005", True, "ground-mini", True, True),
        ("plain_sweep_of_rates-mini-learning_rate0.01", "learning_rate 0.01", False, "ground-mini", True, True),
    ]


def test_the_report_shows_the_settings_and_which_is_chosen(session):
    root, *_ = session
    page = (root / ".bench" / "reports" / "report.html").read_text()
    assert '<section id="sweeps"' in page
    assert "learning_rate 0.01" in page
    assert "is chosen by look nonempty" in page
    assert "is chosen by look nonempty" in (root / ".bench" / "reports" / "report.md").read_text()


def test_the_command_compares_what_is_stored(session):
    root, *_ = session
    told = run_harness(root, "sweep", "plain", "--scale", "mini", "--json")
    assert told.returncode == 0, told.stderr
    [found] = json.loads(told.stdout)
    assert [one["own"] for one in found["settings"]] == [True, False]
    assert sum(one["winner"] for one in found["settings"]) == 1
    shown = run_harness(root, "sweep", "plain_sweep_of_rates", "--scale", "mini").stdout
    assert "chosen by look nonempty, judged by look words" in shown
    assert run_harness(root, "sweep", "other", "--scale", "mini").returncode == 2


def test_the_declared_setting_is_the_recipes_own_checkpoint(session):
    root, *_ = session
    [plan] = json.loads(run_harness(root, "plan", "plain", "--scale", "mini", "--json").stdout)
    assert plan["cached"]


def test_sessions_that_do_not_name_sweeps_leave_them_out(session):
    root, *_ = session
    status, said = run_session(root, "--collect-only", "-q", "-k", "plain", "--scale", "mini")
    assert status == 0
    assert "sweep_of_rates-mini" not in said
    assert "plain-mini" in said
    _, said = run_session(root, "--collect-only", "--scale", "mini")
    assert "left out: plain_sweep_of_rates; -k sweep takes them" in said


def test_a_second_session_does_nothing(session):
    root, *_ = session
    status, said = run_session(root, *SELECTED)
    assert status == 0
    assert "to train" not in said


def test_an_exported_card_has_scores_and_verdicts(session):
    root, *_ = session
    out = root / "exported"
    told = run_harness(
        root, "export", "plain_sweep_of_rates-mini-learning_rate0.01", "--scale", "mini", "--card", "--out", str(out)
    )
    assert told.returncode == 0, told.stderr
    card = (out / "README.md").read_text()
    assert "model-index:\n- name: plain_sweep_of_rates-mini-learning_rate0.01" in card
    assert "| look | words | " in card
    none = run_harness(root, "export", "other", "--scale", "mini", "--card", "--out", str(root / "none"))
    assert none.returncode == 2
    assert not (root / "none").exists()
