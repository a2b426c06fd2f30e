"""Sweeps in the report: their settings, the curve over them, and where they stand in page and comment."""

import pytest

from harness.report.load import load
from harness.report.markdown import summary_markdown
from harness.report.sweeps import sweep_chart, swept
from tests.report.forms import html_of, terminal_of
from tests.report_rows import HOSTILE, RUN, build_warehouse, insert

CONCLUSION = "rank 8 is chosen by training held_out_loss_change (-0.812)."


def settings(connection, axes, scores=(0.2, 0.4, 0.5), sweep="facts_sweep", **more):
    """One row for each point of a sweep, in the order given; the second is declared, the last is chosen."""
    for place, (axis, score) in enumerate(zip(axes, scores, strict=True)):
        interval = {} if score is None else {"low": score - 0.05, "high": score + 0.05, "n": 87, "over_base": score - 0.1,
                    "over_base_low": score - 0.2, "over_base_high": score, "base": "base-mini"}  # fmt: skip
        insert(connection, "sweeps", **{
            "run_id": RUN, "sweep": sweep, "size": "mini", "place": place, "subject": f"{sweep}-mini-{place}",
            "setting": ", ".join(f"{name} {value}" for name, value in axis.items()), "axes": axis,
            "chosen_by": "training held_out_loss_change", "judged_by": "recall unseen", "own": place == 1,
            "winner": place == len(axes) - 1, "seeds": 1, "choosing": -0.5, "score": score, "conclusion": CONCLUSION,
        } | interval | more)  # fmt: skip


@pytest.fixture
def connection(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        yield connection


def drawn(connection):
    [one] = swept(load(connection))
    return sweep_chart(one)


def test_page_and_comment_show_every_setting_and_what_is_chosen(connection, tmp_path):
    settings(connection, [{"rank": 2}, {"rank": 4}, {"rank": 8}])
    content = load(connection)
    page = html_of(content, tmp_path)
    assert page.count('<section id="sweeps"') == 1
    assert CONCLUSION in page
    for words in ("rank 2", "rank 4", "rank 8", "+0.400"):
        assert words in page
    assert CONCLUSION.partition(" (")[0] in summary_markdown(content)
    assert f"facts_sweep at mini: {CONCLUSION}" in " ".join(terminal_of(content).split())


def test_a_setting_that_was_left_unfinished_says_why(connection, tmp_path):
    why = "loss on held-out rows 3.2 after 1 of 4 parts, not among the better half of 12"
    settings(connection, [{"rank": 2}], scores=(None,), unfinished=why)
    assert f"left unfinished: {why}" in html_of(load(connection), tmp_path)


def test_a_report_without_sweeps_has_no_such_section(connection, tmp_path):
    assert 'id="sweeps"' not in html_of(load(connection), tmp_path)


def test_the_curve_has_a_mark_and_an_interval_for_each_setting_and_a_line_at_the_base(connection):
    settings(connection, [{"rank": 2}, {"rank": 4}, {"rank": 8}])
    svg = drawn(connection)
    assert svg.count("<polyline") == 1
    assert svg.count("<circle") == 4  # three settings, and the legend
    assert ">8</text>" in svg


def test_combinations_are_lines_of_their_own(connection):
    axes = [{"rate": rate, "rank": rank} for rate in (1e-4, 1e-3) for rank in (4, 8)]
    settings(connection, axes, scores=(0.1, 0.2, 0.3, 0.4))
    svg = drawn(connection)
    assert svg.count("<polyline") == 2
    assert "rank 4" in svg


def test_what_is_no_number_stands_side_by_side(connection):
    settings(connection, [{"base": "small"}, {"base": "middle"}, {"base": "large"}])
    assert ">middle</text>" in drawn(connection)


def test_settings_without_a_score_are_left_out_of_the_curve(connection, tmp_path):
    settings(connection, [{"rank": 2}, {"rank": 4}, {"rank": 8}], scores=(0.2, None, 0.4))
    assert drawn(connection).count("<circle") == 3
    settings(connection, [{"rank": 2}, {"rank": 4}], scores=(None, None), sweep="later_sweep")
    assert sweep_chart(swept(load(connection))[1]) is None
    assert "later_sweep" in html_of(load(connection), tmp_path)


def test_hostile_words_do_not_run(connection, tmp_path):
    settings(connection, [{"base": HOSTILE}, {"base": "b"}, {"base": "c"}], conclusion=HOSTILE)
    page = html_of(load(connection), tmp_path)
    assert "<script>window.hacked" not in page
