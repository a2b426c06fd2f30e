"""History and Pareto -> static SVG: a plot, and below it a row for each subject with its mark, name and number."""

import json
from typing import Any

import altair

from harness.report.charts import ACCENT, INK, LINES, MUTED, PAPER, RULE, WIDTH, svg, table
from harness.report.cost import Pareto, Point
from harness.report.history import History
from harness.report.words import duration, number

PLOT_WIDTH = WIDTH - 24  # beside it the y axis
PLOT_HEIGHT = 140
ROW = 23  # of the legend
MOST_TICKS = 5
LONGEST_NAME = 33  # characters of a name in a legend
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left",
)  # fmt: skip
SERIES = tuple(zip(LINES, SHAPES, strict=True))  # colour and shape of each line; page.css knows the colours


def history_chart(history: History) -> str:
    """A line for each subject over the runs, named by their commits."""
    last = len(history.runs) - 1
    ticks = sorted({round(i * last / min(MOST_TICKS - 1, last)) for i in range(min(MOST_TICKS, last + 1))})
    names = json.dumps([run.commit for run in history.runs])
    axis = altair.Axis(values=ticks, labelExpr=f"{names}[datum.value]", grid=False, title=None, labelFlush=True)
    x = altair.X("place:Q", scale=altair.Scale(domain=[0, last], nice=False), axis=axis)
    layers: list[Any] = []
    rows = []
    for (name, scores), (colour, shape) in zip(history.series.items(), SERIES, strict=False):
        points = [{"place": place, "value": score.estimate} for place, score in sorted(scores.items())]
        chart = altair.Chart(table(points))
        layers.append(chart.mark_line(color=colour, strokeWidth=1.75).encode(x=x, y=_y()))
        layers.append(_mark(chart, colour, shape).encode(x=x, y=_y()))
        rows.append({"name": name, "label": number(points[-1]["value"]), "colour": colour, "shape": shape})
    return _above(layers, rows)


def pareto_chart(pareto: Pareto) -> str:
    """Every subject by training time and quality; unbeaten ones are filled, numbered and named."""
    unit, size = _unit(max(point.seconds for point in pareto.points))
    x = altair.X("cost:Q", title=f"training time, {unit}", axis=altair.Axis(grid=False, tickCount=5))
    best = [point for point in pareto.points if point.best]
    others = [point for point in pareto.points if not point.best]
    layers: list[Any] = []
    if len(best) > 1:
        edge = altair.Chart(table(_plotted(best, size)))
        layers.append(edge.mark_line(color=RULE, interpolate="step-after", strokeWidth=1.5).encode(x=x, y=_y()))
    hollow = altair.Chart(table(_plotted(others, size)))
    layers.append(hollow.mark_point(stroke=MUTED, fill=PAPER, size=70, strokeWidth=1.75, opacity=1).encode(x=x, y=_y()))
    filled = altair.Chart(table(_plotted(best, size)))
    layers.append(_mark(filled, ACCENT, "circle").encode(x=x, y=_y()))
    layers.append(filled.mark_text(dy=-13, fontSize=13, color=INK).encode(x=x, y=_y(), text="label:N"))
    rows = [
        {"name": f"{place}  {point.subject}", "label": f"{number(point.metric.estimate)} · {duration(point.seconds)}"}
        for place, point in enumerate(best, start=1)
    ]
    return _above(layers, [row | {"colour": ACCENT, "shape": "circle"} for row in rows])


def _plotted(points: list[Point], size: float) -> list[dict]:
    return [
        {"cost": point.seconds / size, "value": point.metric.estimate, "label": str(place)}
        for place, point in enumerate(points, start=1)
    ]


def _unit(seconds: float) -> tuple[str, float]:
    return ("seconds", 1) if seconds < 300 else ("minutes", 60) if seconds < 7200 else ("hours", 3600)


def _y() -> Any:
    axis = altair.Axis(tickCount=4, domain=False)
    return altair.Y("value:Q", title=None, scale=altair.Scale(zero=False, nice=True), axis=axis)


def _mark(chart: Any, colour: str, shape: str) -> Any:
    return chart.mark_point(filled=True, color=colour, shape=shape, size=60, opacity=1)


def _above(layers: list[Any], rows: list[dict]) -> str:
    """The plot over its legend, in which a long name keeps its end: there stands the setting."""
    rows = [row | {"name": _shortened(row["name"])} for row in rows]
    plot = altair.layer(*layers).properties(width=PLOT_WIDTH, height=PLOT_HEIGHT)
    rows = [row | {"row": place} for place, row in enumerate(rows)]
    y = altair.Y("row:Q", scale=altair.Scale(domain=[len(rows) - 0.5, -0.5], nice=False), axis=None)
    legend = []
    for row in rows:
        legend.append(_mark(altair.Chart(table([row])), row["colour"], row["shape"]).encode(x=altair.value(5), y=y))
    texts = altair.Chart(table(rows))
    left = texts.mark_text(align="left", fontSize=13, color=INK, limit=PLOT_WIDTH - 116)
    right = texts.mark_text(align="right", fontSize=13, color=INK)
    legend.append(left.encode(x=altair.value(18), y=y, text="name:N"))
    legend.append(right.encode(x=altair.value(PLOT_WIDTH), y=y, text="label:N"))
    named = altair.layer(*legend).properties(width=PLOT_WIDTH, height=ROW * len(rows))
    both = altair.vconcat(plot, named, spacing=12).resolve_scale(y="independent")
    return svg(both.properties(padding={"left": 6, "right": 2, "top": 2, "bottom": 2}))


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 3]}…{name[-(LONGEST_NAME * 2 // 3) :]}"
