"""Drawings: round ticks within their scale, labels that do not touch, names that fit, nothing of a name as markup."""

import html
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.charts import curve_chart
from harness.report.content import LogPoint
from harness.report.drawing import INK, WIDTH, Drawing, Look, Scale, Tick, fitted, spanning, text_width
from harness.report.history import History, PastRun
from harness.report.trends import history_chart
from harness.report.words import number
from tests.report.forms import Page

FINITE = st.floats(-1e12, 1e12)


@given(st.lists(FINITE, min_size=1, max_size=20), st.integers(2, 6))
def test_ticks_are_few_and_within_their_scale(values, count):
    scale = spanning(values, 0, WIDTH)
    ticks = scale.ticks(count)
    assert 1 <= len(ticks) <= 2.5 * count
    assert all(-0.01 <= tick.place <= WIDTH + 0.01 for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.31, 0.04, ["−0.3", "−0.2", "−0.1", "0.0"]),
        (12_000, 38_000, ["15,000", "20,000", "25,000", "30,000", "35,000"]),
        (1.24, 1.38, ["1.25", "1.30", "1.35"]),
        (0, 4e7, ["0", "1e7", "2e7", "3e7", "4e7"]),
        (0.50001, 0.50009, ["0.50002", "0.50004", "0.50006", "0.50008"]),
        (0, 2.1e-5, ["0", "5.0e−6", "1.0e−5", "1.5e−5", "2.0e−5"]),
    ],
)
def test_ticks_are_multiples_of_one_two_or_five(low, high, labels):
    assert [tick.label for tick in Scale(low, high, 0, WIDTH).ticks(4)] == labels


def test_ticks_of_steps_are_whole_numbers():
    assert [tick.label for tick in Scale(0, 2, 0, WIDTH).ticks(5, least=1)] == ["0", "1", "2"]


def test_a_single_value_stands_in_the_middle():
    for value in (0.0, 3.0, -2e-9):
        assert spanning([value], 0, 100)(value) == pytest.approx(50)


@pytest.mark.parametrize(
    "values",
    [[0.3, 0.1 + 0.2], [0.1, 0.10000000000000002], [1.0, 1.0000000000000002], [5e-324, 1e-323], [1e308, -1e308], [0.0]],
)
def test_values_that_rounding_alone_tells_apart_are_one_and_no_value_is_too_large(values):
    scale = spanning(values, 0, WIDTH)
    ticks = scale.ticks(4)
    assert 2 <= len(ticks) <= 8
    assert all(0 <= tick.place <= WIDTH for tick in ticks)
    assert max(len(tick.label) for tick in ticks) <= 8


def test_labels_of_numbers_that_would_touch_leave_out_every_second_or_third():
    drawing = Drawing(height=100)
    ticks = Scale(0, 1e6, 0, WIDTH).ticks(5)
    drawing.bottom_axis(50, ticks)
    shown = re.findall(r">([\d,]+)</text>", drawing.svg())
    assert shown == ["0", "400,000", "800,000"]


def test_a_single_loss_is_a_dot():
    assert "<circle" in curve_chart(SimpleNamespace(log=(LogPoint(1, 2.0, None),)))


def test_labels_that_would_touch_are_left_out_and_both_ends_stay():
    drawing = Drawing(height=100)
    drawing.bottom_axis(50, [Tick(i * 10.0, f"commit{i:02}") for i in range(34)], ends=True)
    texts = re.findall(r'<text x="([\d.]+)"[^>]*>(commit\d+)<', drawing.svg())
    places = sorted((float(x), text_width(label, 12)) for x, label in texts)
    assert {"commit00", "commit33"} <= {label for _, label in texts}
    assert len(places) == 4
    assert all(a + wide / 2 < b - other / 2 for (a, wide), (b, other) in zip(places, places[1:], strict=False))
    assert places[0][0] - places[0][1] / 2 >= 0
    assert places[-1][0] + places[-1][1] / 2 <= WIDTH


def test_a_long_name_keeps_its_beginning_and_its_end_and_shows_itself_whole():
    name = "a_recipe_with_a_very_long_name[learning_rate=0.0002, seed=17]"
    short = fitted(name, 200, 13)
    assert text_width(short, 13) <= 200
    assert short.startswith("a_recipe")
    assert short.endswith("seed=17]")
    drawing = Drawing(height=20)
    drawing.named(10, name, "0.412")
    shown = re.search(r">([^<]*)<title>(.*?)</title></text>", drawing.svg())
    assert shown[2] == name
    assert text_width(shown[1], 13) + text_width("0.412", 13) < WIDTH
    drawing = Drawing(height=20)
    drawing.named(10, "base-mini", "1,234,567.8 · 12 h 30 min", left=60)
    assert ">base-mini</text>" in drawing.svg()
    assert fitted("base", 200, 13) == "base"


def test_nothing_of_a_name_is_markup():
    drawing = Drawing(height=20)
    drawing.named(10, "<script>&\u202e" * 9, "0.5")
    shown = re.search(r">([^<]*)<title>", drawing.svg())[1]
    assert text_width(html.unescape(shown), 13) < WIDTH
    drawing.text(0, 10, '"><a href="x">', INK)
    tags = {tag for tag, _ in Page(drawing.svg()).tags}
    assert tags == {"svg", "text", "title"}
    assert "\u202e" not in drawing.svg()


@pytest.mark.parametrize("shape", ["circle", "cross", "square", "diamond", "triangle-left"])
def test_every_shape_is_a_mark_in_its_colour(shape):
    drawing = Drawing(height=20)
    drawing.mark(5, 5, Look("#1b6e53", shape))
    assert '"#1b6e53"' in drawing.svg()


def test_losses_that_are_no_numbers_are_left_out():
    log = (LogPoint(1, 2.0, None), LogPoint(2, float("nan"), None), LogPoint(3, 1.0, float("inf")))
    drawn = curve_chart(SimpleNamespace(log=log))
    assert drawn.count("<polyline") == 1
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert curve_chart(SimpleNamespace(log=(LogPoint(1, float("nan"), None),))) is None


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_scores_that_are_no_numbers_are_left_out_of_the_history(score):
    runs = [PastRun(place, f"2026010{place}", None, f"{place}", []) for place in range(2)]
    series = {"a": {0: SimpleNamespace(estimate=0.5), 1: SimpleNamespace(estimate=score)}}
    drawn = history_chart(History("tone", "conversational", runs, series, 0, []))
    assert drawn.count("<circle") == 2  # the score before, and its row in the legend
    assert f">{number(score)}</text>" in drawn, "the newest score is told, not the one before"
    series = {"a": {1: SimpleNamespace(estimate=score)}}
    assert history_chart(History("tone", "conversational", runs, series, 0, [])) is None
