"""What people said in the report: of the answers that are shown, and of no others."""

import json

import pytest

pytest.importorskip("krippendorff")

from harness.report.load import load
from harness.report.markdown import summary_markdown
from harness.report.ratings import rated
from tests.report.forms import html_of, terminal_of
from tests.report_rows import build_warehouse, insert

NOTE = "<script>alert(1)</script> too long"


def rate(connection, of, values, rater="Anna", first="wiki_only-mini", second="with_kilt-mini", **more):
    """One rating of each value, of samples s0, s1, ..."""
    for i, value in enumerate(values):
        insert(
            connection, "ratings", comparison=f"{of}-{second}", suite="tone", first=first, second=second, first_answers=f"{of}-first",
            second_answers=None if second is None else f"{of}-second", rater=rater, sample_id=f"s{i}", showing=0, value=value,
            number={"first": 1.0, "second": -1.0}.get(value, float(value) if value.isdigit() else 0.0), on_left=first,
            note=NOTE if i == 0 else "", seconds=2.0, rated_at="2026-11-01T10:00:00", **more,
        )  # fmt: skip


@pytest.fixture
def content(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        keys = connection.execute("SELECT evaluation FROM evaluations WHERE suite = 'tone' ORDER BY subject").fetchall()
        for (key,), name in zip(keys, ("now-first", "now-second"), strict=False):
            connection.execute(
                "UPDATE evaluations SET spec = ? WHERE evaluation = ?", [json.dumps({"answers": name}), key]
            )
        for rater in ("Anna", "Ben", "Cleo"):
            rate(connection, "now", ["first"] * 6 + ["same", "second"], rater)
        rate(connection, "old", ["second"] * 8)
        rate(connection, "now", ["4", "5", "3"], "Ben", first="own-mini", second=None, points=5)
        yield load(connection)


def test_ratings_of_the_answers_shown_are_summed_up(content):
    single, pairs = rated(content)
    assert (pairs.first, pairs.second, pairs.panel.raters, pairs.panel.prompts, pairs.panel.ratings) == ("wiki_only-mini", "with_kilt-mini", 3, 8, 24)  # fmt: skip
    assert (pairs.share("first"), pairs.share("second")) == (0.75, 0.125)
    assert pairs.panel.mean.estimate == pytest.approx(5 / 8)
    assert pairs.panel.between == pytest.approx(1.0)
    assert (pairs.panel.left, pairs.panel.decided) == (18, 21)
    assert (single.points, single.panel.mean.estimate) == (5, 4.0)


def test_page_comment_and_terminal_say_who_is_preferred(content, tmp_path):
    page = html_of(content, tmp_path)
    assert page.count('<section id="ratings"') == 1
    for words in ("wiki_only-mini against with_kilt-mini", "75 % first, 12 % second", "18 of 21", "3 notes on"):
        assert words in page, words
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; too long" in page
    said = "3 people rated 8 pairs of tone: preference for wiki_only-mini over with_kilt-mini 0.6"
    assert said in " ".join(terminal_of(content).split())
    assert "3 people rated 8 pairs of tone" in summary_markdown(content).replace("\\", "")


def test_without_ratings_there_is_no_such_section(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        content = load(connection)
    assert 'id="ratings"' not in html_of(content, tmp_path)
