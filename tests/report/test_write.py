"""Every report of a project written: its files, what a terminal is shown, and what was wrong with sections of one's own."""

import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from harness import Chart, Report, Table
from harness.errors import WarehouseError
from harness.report.declared import ALL, Cost, FirstLook, Matrix, Samples, Verdicts
from harness.report.load import load
from harness.report.write import write_chosen, write_reports
from tests.report.forms import Page, html_of
from tests.report_rows import PAST, RUN, SUBJECTS, build_long_warehouse

VERDICT = "4 claims hold, 1 fails, 1 cannot be decided; 1 was skipped."


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The open results file of four runs; no test changes it."""
    with build_long_warehouse(tmp_path_factory.mktemp("results") / "results.duckdb") as connection:
        yield connection


@pytest.fixture
def written(results, tmp_path):
    """Writes reports on the newest run; what came of them."""
    return lambda *declared: write_reports(results, RUN, declared, tmp_path / "reports")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder for compiled templates."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "harness" / "templates"


def test_damaged_templates_in_the_cache_are_compiled_again(results, tmp_path, cache):
    content = load(results)
    page = html_of(content, tmp_path)
    kept = sorted(path for path in cache.glob("*/*") if path.is_file())
    assert len(kept) > 5
    for place, path in enumerate(kept):
        whole = path.read_bytes()
        half = len(whole) // 2
        damaged = whole[:half] + bytes(~byte & 0xFF for byte in whole[half : half + 20]) + whole[half + 20 :]
        path.write_bytes((b"", whole[:1], whole[:half], damaged)[place % 4])
    assert html_of(content, tmp_path) == page
    assert all(path.read_bytes() for path in kept), "written anew"
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    assert html_of(content, tmp_path) == page


def test_a_user_without_a_home_gets_a_report(results, tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert "<svg" in html_of(load(results), tmp_path)


def test_a_project_without_reports_has_the_default_one_with_all_sections(written, tmp_path):
    found = written()
    assert files(tmp_path / "reports") == ["report.html", "report.md"]
    assert found.paths == [tmp_path / "reports" / "report.html", tmp_path / "reports" / "report.md"]
    assert found.trouble == []
    assert found.text.startswith(VERDICT)
    page = Page(found.paths[0].read_text())
    assert {"claims", "first-look", "results", "cost", "training", "lineage", "samples", "run"} <= set(page.ids)
    assert page.text.count("Fine-tuning report") == 2
    assert found.paths[1].read_text().startswith(f"## {VERDICT}\n\nFine-tuning report · ")


def test_every_report_has_a_page_and_a_comment_of_its_name_beside_the_default_one(written, tmp_path):
    found = written(Report("nightly", sections=[Verdicts()]), Report("costs-2026", sections=[Cost()]))
    names = ["costs-2026", "nightly", "report"]
    assert files(tmp_path / "reports") == [f"{name}.{end}" for name in names for end in ("html", "md")]
    assert [path.name for path in found.paths[::2]] == ["report.html", "nightly.html", "costs-2026.html"]
    anchors = {path.stem: {"claims", "cost"} & set(Page(path.read_text()).ids) for path in found.paths[::2]}
    assert anchors == {"report": {"claims", "cost"}, "nightly": {"claims"}, "costs-2026": {"cost"}}
    comments = {path.stem: path.read_text() for path in found.paths[1::2]}
    assert ("| verdict | claim |" in comments["nightly"], "### Cost" in comments["nightly"]) == (True, False)
    assert ("| verdict | claim |" in comments["costs-2026"], "### Cost" in comments["costs-2026"]) == (False, True)
    assert "\ncost\n" in found.text, "the terminal shows the default one"


def test_a_projects_own_report_takes_the_default_ones_place_and_the_terminal(written, tmp_path):
    own = Report("report", sections=[Verdicts(), Matrix()], title="Encyclopedic or not")
    found = written(Report("costs", sections=[Cost()]), own)
    assert files(tmp_path / "reports") == ["costs.html", "costs.md", "report.html", "report.md"]
    assert "\ncost\n" not in found.text
    assert "conversational" in found.text
    page, comment = (path.read_text() for path in found.paths[:2])
    assert Page(page).text.startswith(f"Encyclopedic or not: {VERDICT} Skip to the results Encyclopedic or not")
    assert f"\nEncyclopedic or not · {'1 March 2026, 12:00 UTC'} · " in comment
    assert "Fine-tuning report" not in page + comment


def test_a_page_without_samples_has_no_script_and_no_link_into_them(written, tmp_path):
    sections = [section for section in ALL if not isinstance(section, Samples)]
    found = written(Report("plain", sections=sections))
    page = (tmp_path / "reports" / "plain.html").read_text()
    parsed = Page(page)
    assert "<script" not in page
    assert 'href="#samples' not in page
    assert "browser-data" not in page
    assert "script-src 'sha256-" in page
    assert "tone-39 (0.100 : 0.890)" in parsed.text
    assert "<script" in found.paths[0].read_text(), "the default one has them"
    assert len(page) < len(found.paths[0].read_text())


@pytest.mark.parametrize("left_out", ALL, ids=lambda section: section.template)
def test_any_section_can_be_left_out_and_every_link_still_leads_somewhere(results, tmp_path, left_out):
    sections = [section for section in ALL if section != left_out and not isinstance(section, Samples)]
    parsed = Page(html_of(load(results), tmp_path, Report("some", sections=sections)))
    assert parsed.misnested == parsed.open == []
    assert left_out.anchor not in parsed.ids
    links = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
    assert [link for link in links if link[1:].split("?")[0] not in parsed.ids] == []


def test_a_report_of_nothing_still_has_its_verdict_and_its_run(written, tmp_path):
    found = written(Report("report", sections=[]))
    parsed = Page(found.paths[0].read_text())
    assert VERDICT in parsed.text
    assert [one for one in parsed.ids if one.endswith("-heading")] == ["run-heading"]
    comment = found.paths[1].read_text()
    assert re.sub(r"\s+", " ", comment).startswith(f"## {VERDICT} Fine-tuning report · 1 March 2026")
    assert "###" not in comment
    assert "To reproduce: `pytest" in comment
    assert found.text.splitlines()[0] == VERDICT
    assert "1 March 2026" in found.text


def test_what_is_wrong_with_a_section_is_told_and_all_reports_are_there(written, tmp_path):
    wrong = Table("Odd one", sql="DELETE FROM gates")
    found = written(
        Report("nightly", sections=[wrong, Verdicts()]),
        Report("other", sections=[Chart("Other odd one", sql="SELECT nope", encode={"x": "nope:Q"})]),
    )
    assert [told.split(": ")[:2] for told in found.trouble] == [
        ["report nightly", "Table 'Odd one'"], ["report other", "Chart 'Other odd one'"],
    ]  # fmt: skip
    assert len(files(tmp_path / "reports")) == 6
    assert "✕ fails" in (tmp_path / "reports" / "nightly.html").read_text().replace("</span>", "").replace(
        '<span aria-hidden="true">', ""
    )


def test_a_section_of_ones_own_stands_in_its_report_alone(written, tmp_path):
    own = Table("Gates by suite", sql="SELECT suite, count(*) AS gates FROM gates WHERE run_id = $run GROUP BY 1")
    found = written(Report("report", sections=[own]), Report("other", sections=[FirstLook()]))
    reports = {path.name: path.read_text() for path in found.paths}
    assert {name for name, text in reports.items() if "Gates by suite" in text} == {"report.html", "report.md"}
    assert "Gates by suite\nsuite" in found.text


def test_writing_again_replaces_the_files(written, tmp_path):
    written(Report("report", sections=[]))
    short = (tmp_path / "reports" / "report.html").stat().st_size
    written()
    assert (tmp_path / "reports" / "report.html").stat().st_size > 2 * short
    assert len(files(tmp_path / "reports")) == 2


# ---- over chosen runs ---------------------------------------------------------------------------------


def test_the_first_report_is_printed_with_where_every_page_lies(results, tmp_path, capsys):
    declared = [Report("nightly", sections=[Table("Odd one", sql="SELECT nope")])]
    write_chosen(results, declared, tmp_path)
    printed = capsys.readouterr().out
    assert printed.startswith(VERDICT)
    assert "note: report nightly: Table 'Odd one': Binder Error" in printed
    assert printed.splitlines()[-2:] == [f"report: {tmp_path}/report.html", f"report: {tmp_path}/nightly.html"]


def test_a_query_over_a_window_is_about_its_runs_and_subjects(results, tmp_path, capsys):
    own = Table("About", sql="SELECT len($runs) AS runs, len($subjects) AS subjects, $run AS newest")
    write_chosen(results, [Report("report", sections=[own])], tmp_path, since=datetime(2026, 2, 1))
    assert f"| {len(PAST) + 1} | {len(SUBJECTS) + 2} | {RUN} |" in (tmp_path / "report.md").read_text()
    assert "4 runs from 10 February 2026 to 1 March 2026" in capsys.readouterr().out


def test_a_window_that_holds_nothing_writes_nothing(results, tmp_path):
    with pytest.raises(WarehouseError, match="hold no recipe nobody"):
        write_chosen(results, [], tmp_path / "reports", recipes=["nobody"])
    assert not (tmp_path / "reports").exists()
