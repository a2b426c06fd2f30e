"""What a session stands on: the project, its store, its keys, a baseline, counted rows."""

import pytest

from harness.errors import HarnessError
from harness.session.options import Options
from harness.session.setup import Setup, open_setup, store_of
from tests.hand_made import add, measure
from tests.projects import write_project

pytestmark = pytest.mark.usefixtures("projects_apart")


def test_a_project_is_opened_with_its_recipes_suites_and_reports(tmp_path):
    root = write_project(tmp_path)
    (root / "reports").mkdir()
    (root / "reports" / "own.py").write_text("from harness import Report\nOWN = Report('own')\n")
    setup = open_setup(root, store_of(root, None), Options("mini"))
    assert {"ground", "plain", "other"} <= set(setup.project.recipes)
    assert set(setup.project.suites) == {"look"}
    assert [report.name for report in setup.reports] == ["own"]
    assert setup.store.root == root / ".bench" / "store"


def test_the_store_may_lie_anywhere(tmp_path):
    assert store_of(tmp_path, tmp_path / "shared").root == tmp_path / "shared"


def test_an_unknown_baseline_is_an_error_that_names_it(tmp_path):
    root = write_project(tmp_path)
    with pytest.raises(HarnessError, match="nightly"):
        open_setup(root, store_of(root, None), Options("mini", baseline="nightly"))


def test_rows_are_counted_once_for_the_same_bytes(tmp_path, monkeypatch):
    root = write_project(tmp_path)
    setup = open_setup(root, store_of(root, None), Options("mini"))
    prompts = setup.project.suites["look"].dataset
    assert setup.count(prompts) == 20
    monkeypatch.setattr("harness.session.setup.load", lambda *given, **how: pytest.fail("read again"))
    assert setup.count(prompts) == 20


def test_blessing_writes_down_what_is_measured_and_nothing_where_nothing_is(made):
    alpha = add(made, "alpha")
    setup = Setup(made.project, made.store, Options("mini"), made.keys)
    assert setup.bless("main", [alpha]) is None
    evaluation = measure(made, alpha, x=[0.0, 1.0])
    baseline = setup.bless("main", [alpha])
    assert baseline.name == "main"
    assert evaluation.key in str(baseline)
