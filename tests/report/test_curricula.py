"""Curricula in the report: the matrix, and what was forgotten."""

import pytest

from harness.report.load import load
from harness.report.markdown import summary_markdown
from tests.report.forms import html_of, terminal_of
from tests.report_rows import RUN, build_warehouse, insert

CONCLUSION = "Backward transfer is -0.300 (-0.400 to -0.200)."


@pytest.fixture
def content(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        for place, of, score, since in ((0, 0, 0.8, None), (0, 1, 0.1, None), (1, 0, 0.5, -0.3), (1, 1, 0.7, None)):
            change = (
                {} if since is None else {"since_taught": since, "since_taught_low": -0.4, "since_taught_high": -0.2}
            )
            insert(
                connection, "curricula", run_id=RUN, curriculum="continual", size="mini", place=place, lesson_place=of,
                subject=f"after_{place}-mini", lesson=("defects", "events")[of], metric="recall unseen", score=score,
                low=score - 0.1, high=score + 0.1, conclusion=CONCLUSION, **change,
            )  # fmt: skip
        yield load(connection)


def test_page_comment_and_terminal_say_what_was_forgotten(content, tmp_path):
    page = html_of(content, tmp_path)
    assert page.count('<section id="curricula"') == 1
    assert CONCLUSION in page
    for words in ("after_1-mini", "defects", "0.500", "−0.300 (−0.400 to −0.200)"):
        assert words in page
    assert "Backward transfer is" in summary_markdown(content)
    assert f"continual at mini: {CONCLUSION}" in " ".join(terminal_of(content).split())
