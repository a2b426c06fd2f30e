"""`harness report` in a project: its own reports, or the default one; and what is wrong with a declaration."""

import pytest

from harness.warehouse import connect
from tests.projects import run_harness, write_project
from tests.report_rows import insert, insert_evaluation, insert_run, insert_subject

OWN = """
from harness import Report, Table
from harness.report import Verdicts

NIGHTLY = Report("nightly", sections=[Table("Claims by verdict", sql="SELECT verdict, count(*) AS n FROM gates GROUP BY 1"),
                                      Verdicts()])
"""


@pytest.fixture
def root(tmp_path):
    """A project whose newest session judged one claim."""
    root = write_project(tmp_path / "project")
    with connect(root / ".bench" / "results.duckdb") as connection:
        insert_run(connection)
        insert_subject(connection, "plain-mini")
        insert_evaluation(
            connection, "plain-mini", "look", {"words": (3.5, 3.0, 4.0)}, [{"id": "q", "completion": "A."}]
        )
        insert(
            connection, "gates", run_id="20260301T120000-aaaa", gate="g", subject="plain-mini", suite="look",
            metric="words", claim="brief", verdict="pass", candidate=3.5,
        )  # fmt: skip
    return root


def files(root):
    return sorted(path.name for path in (root / ".bench" / "reports").iterdir())


def test_a_project_that_declares_no_report_has_the_default_one(root):
    found = run_harness(root, "report")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("1 claim holds.")
    assert found.stdout.splitlines()[-1] == f"report: {root}/.bench/reports/report.html"
    assert files(root) == ["report.html", "report.md"]


def test_a_projects_reports_are_written_beside_the_default_one(root):
    (root / "reports").mkdir()
    (root / "reports" / "nightly.py").write_text(OWN)
    found = run_harness(root, "report")
    assert found.returncode == 0, found.stderr
    assert files(root) == ["nightly.html", "nightly.md", "report.html", "report.md"]
    assert "| pass | 1 |" in (root / ".bench" / "reports" / "nightly.md").read_text()
    assert "<script" not in (root / ".bench" / "reports" / "nightly.html").read_text()


def test_a_folder_of_reports_that_is_something_else_is_left_alone(root):
    (root / "reports").mkdir()
    (root / "reports" / "sales.py").write_text("raise SystemExit('must not run')")
    (root / "reports" / "broken.py").write_text("def (")
    assert run_harness(root, "report").returncode == 0
    assert files(root) == ["report.html", "report.md"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (OWN + "\nAGAIN = Report('nightly', sections=[])\n", "ReportError: report 'nightly' is declared twice."),
        (OWN.replace("sections=[", "section=["), "Report has no field 'section'. Did you mean 'sections'?"),
        (OWN.replace("Verdicts()]", "Verdicts]"), "Verdicts'> is no section."),
        (OWN.replace('"nightly"', '"every night"'), "Report 'every night': the name is also a file's"),
    ],
)
def test_a_report_that_cannot_be_declared_is_one_error_and_nothing_is_written(root, text, told):
    (root / "reports").mkdir()
    (root / "reports" / "nightly.py").write_text(text)
    found = run_harness(root, "report")
    assert found.returncode == 2
    assert told in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    assert not (root / ".bench" / "reports").exists()


def test_a_section_that_fails_is_noted_and_the_report_is_there(root):
    (root / "reports").mkdir()
    (root / "reports" / "nightly.py").write_text(OWN.replace("count(*) AS n", "nope"))
    found = run_harness(root, "report")
    assert found.returncode == 0
    assert "note: report nightly: Table 'Claims by verdict': Binder Error" in found.stdout
    assert "nightly.html" in files(root)
