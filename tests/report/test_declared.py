"""A report as declared: sections in their order, the default one, and one clear error for each bad value."""

import subprocess
import sys

import pytest

from harness import Chart, Report, Table
from harness.errors import ReportError
from harness.report import Cost, FirstLook, Matrix, Samples, Section, Training, Verdicts
from harness.report.declared import ALL, DEFAULT, MARKS, with_default
from harness.report.page import TEMPLATES

SQL = "SELECT suite, metric FROM gates"
TABLE = Table("Claims by suite", sql=SQL)
CHART = Chart("Loss", sql="SELECT step, loss FROM training_log", encode={"x": "step:Q", "y": "loss:Q"}, mark="line")


def test_sections_stand_in_the_order_declared_with_those_of_ones_own_among_them():
    report = Report("nightly", sections=[Matrix(), TABLE, Verdicts(), CHART], title="Every night")
    assert report.sections == (Matrix(), TABLE, Verdicts(), CHART)
    assert report.queries == [TABLE, CHART]
    assert (report.name, report.title) == ("nightly", "Every night")
    assert (report.has(Verdicts), report.has(Samples), report.has(Table)) == (True, False, True)


def test_a_report_without_sections_named_has_all_of_them_once():
    assert Report("report").sections == ALL
    assert len({type(section) for section in ALL}) == len(ALL) == 15
    assert Report("report").title == "Fine-tuning report"


def test_a_report_may_show_nothing_but_the_run():
    assert Report("empty", sections=[]).sections == ()


def test_the_same_declaration_is_the_same_value():
    assert Report("a", sections=[Verdicts(), TABLE]) == Report(
        "a", sections=(Verdicts(), Table("Claims by suite", sql=SQL))
    )
    assert Report("a", sections=[Verdicts()]) != Report("a", sections=[Matrix()])


def test_every_section_has_a_template_an_address_and_a_name_of_its_own():
    for section in (*ALL, TABLE, CHART):
        assert isinstance(section, Section)
        assert (TEMPLATES / "sections" / f"{section.template}.html").is_file(), section
    for part in ("anchor", "label"):
        assert len({getattr(section, part) for section in ALL}) == len(ALL)


# ---- the default --------------------------------------------------------------------------------------


def test_a_project_without_reports_has_the_default_one():
    assert with_default([]) == [DEFAULT]
    assert (DEFAULT.name, DEFAULT.sections) == ("report", ALL)


def test_the_default_one_comes_first_unless_a_project_has_its_own():
    short, costs = Report("short", sections=[Verdicts()]), Report("costs", sections=[Cost()])
    assert with_default([short, costs]) == [DEFAULT, short, costs]
    own = Report("report", sections=[FirstLook(), Training()])
    assert with_default([short, own, costs]) == [own, short, costs]


def test_two_reports_of_one_name_are_refused():
    with pytest.raises(ReportError) as error:
        with_default([Report("short"), Report("other"), Report("short", sections=[Cost()])])
    assert error.value.problem == "report 'short' is declared twice."
    assert error.value.remedy == "Give each its own name."


# ---- bad values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declare", "told", "remedy"),
    [
        (lambda: Report(""), "Report '': the name is also a file's; use letters, digits, - and _.", ""),
        (lambda: Report("a/b"), "Report 'a/b': the name is also a file's; use letters, digits, - and _.", ""),
        (lambda: Report("my report"), "Report 'my report': the name is also a file's; use letters, digits, - and _.", ""),
        (lambda: Report("a.html"), "Report 'a.html': the name is also a file's; use letters, digits, - and _.", ""),
        (
            lambda: Report("a", sections=Verdicts()),
            "report a: sections is Verdicts(), not a list of sections.",
            "Write sections=[Verdicts(), ...].",
        ),
        (
            lambda: Report("a", sections=[Verdicts]),
            "report a: <class 'harness.report.declared.Verdicts'> is no section.",
            "Sections are values: Verdicts().",
        ),
        (lambda: Report("a", sections=["Verdicts"]), "report a: 'Verdicts' is no section.", "Sections are values: Verdicts()."),
        (
            lambda: Report("a", sections=[Verdicts(), Matrix(), Verdicts()]),
            "report a: the section 'Verdicts' stands in it twice.",
            "Drop one.",
        ),
        (
            lambda: Report("a", sections=[TABLE, Chart("Claims by suite", sql=SQL, encode={"x": "suite:N"})]),
            "report a: the section 'Claims by suite' stands in it twice.",
            "Drop one.",
        ),
        (lambda: Table(" ", sql=SQL), "Table(' '): give it a title and an SQL query.", ""),
        (lambda: Table("Claims", sql="\n"), "Table('Claims'): give it a title and an SQL query.", ""),
        (lambda: Chart("", sql=SQL, encode={"x": "suite:N"}), "Chart(''): give it a title and an SQL query.", ""),
        (
            lambda: Chart("Loss", sql=SQL, encode={}),
            "Chart('Loss'): encode is empty.",
            'Give channels: encode={"x": "step:Q", ...}.',
        ),
        (
            lambda: Chart("Loss", sql=SQL, encode="step:Q"),
            "Chart('Loss'): encode is 'step:Q', not columns by channel.",
            'Give channels: encode={"x": "step:Q", ...}.',
        ),
        (
            lambda: Chart("Loss", sql=SQL, encode={"x": 3}),
            "Chart('Loss'): encode is {'x': 3}, not columns by channel.",
            'Give channels: encode={"x": "step:Q", ...}.',
        ),
        (
            lambda: Chart("Loss", sql=SQL, encode={"x": "step:Q"}, mark="pie"),
            "Chart('Loss'): there is no mark 'pie'.",
            "Choose point, line, bar, area or tick.",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_clear_error(declare, told, remedy):
    with pytest.raises(ReportError) as error:
        declare()
    assert (error.value.problem, error.value.remedy) == (told, remedy)


def test_two_sections_of_ones_own_with_their_own_titles_are_two_sections():
    other = Table("Claims by metric", sql=SQL)
    assert Report("a", sections=[TABLE, other, CHART]).queries == [TABLE, other, CHART]


@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_can_be_declared(mark):
    assert Chart("Loss", sql=SQL, encode={"x": "step:Q"}, mark=mark).mark == mark


def test_declaring_a_report_loads_nothing_that_draws_or_reads():
    code = (
        "import sys; from harness import Report, Table; from harness.report import Verdicts;"
        "Report('a', sections=[Verdicts(), Table('t', sql='SELECT 1')]);"
        "print([m for m in ('altair', 'jinja2', 'duckdb', 'rich', 'numpy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
