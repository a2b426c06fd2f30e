"""Content -> static SVG, drawn by Altair and vl-convert: small charts that stay readable at 360 pixels.

Each colour stands for one CSS variable: page.css finds it in the SVG by its value (`[fill="#1f5f8b"]`)
and replaces it, so that the same drawing serves light, dark and print.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import altair
import vl_convert

from harness.errors import ReportError
from harness.report.content import Checkpoint, Content, Gate
from harness.report.words import floor_name, number, signed

INK, PAPER, MUTED, RULE, ACCENT = "#1f2328", "#fcfbf8", "#5c6370", "#dedad2", "#1f5f8b"
PASS, FAIL, UNDECIDED = "#1b6e53", "#a8361c", "#7a5b00"
LINES = (ACCENT, "#b3541e", "#4d7c2a", "#8a3b8f", "#00757a", "#b02a5b", "#6b6100", MUTED)  # of several series
ANGLES = {"circle": 0, "cross": 45}
WIDTH = 330  # of the plot, in pixels
ROW = 40  # height of one subject: its name, and its interval below
MOST_POINTS = 160  # of one training curve
OWN_HEIGHT = 180  # of a chart that a project declares
DROPPED = r' (?:class|role|aria-[a-z]+|pointer-events|opacity|stroke-miterlimit|font-family)="[^"]*"'  # of the SVG

CONFIG = {
    "aria": False,  # the page describes each chart and gives its numbers as a table
    "background": "transparent",
    "font": "sans-serif",
    "padding": {"left": 0, "right": 0, "top": 2, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": RULE, "domainColor": RULE, "tickColor": RULE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 120,
    },
    "legend": {
        "labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelLimit": 120, "orient": "bottom", "columns": 2,
    },
    "range": {"category": LINES},
}  # fmt: skip


class Look(NamedTuple):
    """How a dot is drawn."""

    colour: str
    shape: str = "circle"
    hollow: bool = False


VERDICT_LOOKS = {"pass": Look(PASS), "fail": Look(FAIL, "cross"), "inconclusive": Look(UNDECIDED, hollow=True)}


def metric_chart(content: Content, suite: str, metric: str) -> str | None:
    """Dot and interval for every subject, a line for every floor; None without a finite estimate."""
    measured = {name: e.metrics[metric] for name, e in content.of_suite(suite).items() if metric in e.metrics}
    references = {s.name for s in content.subjects if s.recipe in ("base", "untrained")}
    rows = [
        _interval_row(name, (m.estimate, m.low, m.high), number, Look(MUTED if name in references else ACCENT))
        for name, m in measured.items()
        if finite(m.estimate)
    ]
    if not rows:
        return None
    floors = {name: value for name, value in content.floors_of(suite, metric).items() if finite(value)}
    lines = [
        {"name": floor_name(name), "value": value, "label": number(value)}
        for name, value in sorted(floors.items(), key=lambda floor: floor[1])
        if name not in measured
    ]
    drawn = [value for name, value in floors.items() if name in measured]
    return _dots(rows, lines, drawn)


def forest_chart(gates: list[Gate]) -> str | None:
    """Differences of claims that share a metric and a threshold, with their intervals; the line is the threshold.

    None where no claim has an interval.
    """
    rows = [
        _interval_row(
            f"{gate.subject} − {gate.reference}" if gate.reference else f"{gate.subject} − {number(gate.baseline)}",
            (gate.estimate, gate.low, gate.high), signed, VERDICT_LOOKS[gate.verdict],
        )
        for gate in gates
        if gate.verdict in VERDICT_LOOKS and finite(gate.estimate)
    ]  # fmt: skip
    if all(row["low"] == row["high"] for row in rows):
        return None  # nothing varies
    return _dots(rows, [], [gates[0].threshold or 0.0]) if rows else None


def curve_chart(checkpoint: Checkpoint) -> str | None:
    """Training loss as a line, held-out loss as points; None without a finite loss."""
    losses = [{"step": p.step, "loss": p.loss} for p in checkpoint.log if finite(p.loss)]
    held_out = [{"step": p.step, "loss": p.eval_loss} for p in checkpoint.log if finite(p.eval_loss)]
    if not losses and not held_out:
        return None
    x = altair.X(
        "step:Q", title="optimizer step", axis=altair.Axis(grid=False, tickCount=5, format="~s", tickMinStep=1)
    )
    y = altair.Y(
        "loss:Q", title=None, scale=altair.Scale(zero=False, nice=True), axis=altair.Axis(tickCount=4, domain=False)
    )
    layers = [altair.Chart(table(_thinned(losses))).mark_line(color=ACCENT, strokeWidth=1.75).encode(x=x, y=y)]
    if held_out:
        points = altair.Chart(table(_thinned(held_out)))
        layers.append(points.mark_point(color=FAIL, filled=True, size=46, shape="diamond", opacity=1).encode(x=x, y=y))
    return svg(altair.layer(*layers).properties(width=WIDTH - 24, height=130))


def _interval_row(
    name: str,
    interval: tuple[float | None, float | None, float | None],
    show: Callable[[float | None], str],
    look: Look,
) -> dict:
    """A dot with its estimate, low and high end; without an interval, the dot alone."""
    estimate, low, high = interval
    whole = finite(low) and finite(high)
    return {
        "name": name, "label": show(estimate), "value": estimate, "look": look,
        "low": low if whole else estimate, "high": high if whole else estimate,
    }  # fmt: skip


def _dots(rows: list[dict], lines: list[dict], thresholds: list[float]) -> str:
    """One row each: name left, estimate right, below them the dot on its interval; lines through all rows."""
    rows = [row | {"row": place} for place, row in enumerate(rows)]
    lines = [line | {"row": len(rows) + place} for place, line in enumerate(lines)]
    last = len(rows) + len(lines)
    spread = [row[end] for row in rows for end in ("low", "high")] + [line["value"] for line in lines] + thresholds
    low, high = min(spread), max(spread)
    margin = (high - low) * 0.06 or abs(high) / 2 or 1
    scale = altair.Scale(domain=[low - margin, high + margin], nice=False, zero=False)
    axis = altair.Axis(tickCount=4, grid=False, title=None, labelOverlap="greedy", labelSeparation=8)
    x = altair.X("value:Q", scale=scale, axis=axis)
    x_low = altair.X("low:Q", scale=scale, axis=axis)
    y = altair.Y("row:Q", scale=altair.Scale(domain=[last - 0.45, -0.75], nice=False), axis=None)

    ends = [(value, len(rows) - 1) for value in thresholds] + [(line["value"], line["row"]) for line in lines]
    layers = _lines(ends, len(rows), x, y)
    for look in dict.fromkeys(row["look"] for row in rows):
        chart = altair.Chart(table([row for row in rows if row["look"] == look]))
        layers.append(chart.mark_rule(color=look.colour, strokeWidth=2).encode(x=x_low, x2="high:Q", y=y))
        layers.append(_marked(chart, look).encode(x=x, y=y))
    layers += _labels(altair.Chart(table(rows)), y, INK)
    layers += _labels(altair.Chart(table(lines)), y, MUTED) if lines else []
    return svg(altair.layer(*layers).properties(width=WIDTH, height=ROW * (last + 0.3)))


def _lines(ends: list[tuple[float, int]], row_count: int, x: Any, y: Any) -> list:
    """Vertical lines, each down to its own last row: faint behind the names, strong beside the intervals."""
    faint = [{"value": value, "row": -0.7, "end": row + 0.26} for value, row in ends]
    strong = [
        {"value": value, "row": place - 0.22, "end": place + 0.26}
        for value, row in ends
        for place in {*range(row_count), row}
    ]
    pairs = ((faint, RULE), (strong, MUTED)) if ends else ()
    return [
        altair.Chart(table(pieces)).mark_rule(color=colour, strokeWidth=1.25).encode(x=x, y=y, y2="end:Q")
        for pieces, colour in pairs
    ]


def _marked(chart: Any, look: Look) -> Any:
    if look.hollow:
        return chart.mark_point(stroke=look.colour, fill=PAPER, size=90, strokeWidth=2, opacity=1)
    angle, size = ANGLES[look.shape], 180 if look.shape == "cross" else 90
    return chart.mark_point(filled=True, color=look.colour, shape=look.shape, angle=angle, size=size, opacity=1)


def _labels(chart: Any, y: Any, colour: str) -> list:
    return [
        chart.mark_text(align="left", dy=-17, fontSize=13, color=colour, limit=WIDTH - 75).encode(
            x=altair.value(0), y=y, text="name:N"
        ),
        chart.mark_text(align="right", dy=-17, fontSize=13, color=colour).encode(
            x=altair.value(WIDTH), y=y, text="label:N"
        ),
    ]


def own_chart(mark: str, encode: Mapping[str, str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A chart of a query's rows; ReportError where a channel names no column, or Altair refuses it."""
    used = {channel: re.split(r"[:(]", column.split("(")[-1])[0].strip(" )") for channel, column in encode.items()}
    missing = next((name for name in used.values() if name and name not in columns), None)
    if missing is not None:
        raise ReportError(f"the query has no column {missing!r} (it has: {', '.join(columns)}).")
    values = [{name: _json(value) for name, value in zip(columns, row, strict=True)} for row in rows]
    try:
        chart = altair.Chart(altair.Data(values=values))
        chart = getattr(chart, f"mark_{mark}")(**({} if "color" in encode else {"color": ACCENT})).encode(**encode)
        whole = altair.AutoSizeParams(
            type="fit-x", contains="padding"
        )  # long labels take room from the plot, not from the size of letters
        return svg(chart.properties(width=WIDTH, height=OWN_HEIGHT, autosize=whole))
    except Exception as error:  # whatever Altair and vl-convert say of the user's encoding
        raise ReportError(str(error).strip().split("\n")[0]) from None


def _json(value: Any) -> Any:
    """A value as JSON: times as text, decimals as numbers, null for a number that is not finite."""
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _thinned(points: list[dict]) -> list[dict]:
    """At most MOST_POINTS of them, evenly spread, first and last kept."""
    if len(points) <= MOST_POINTS:
        return points
    return [points[round(i * (len(points) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]


def table(rows: list[dict]) -> Any:
    return altair.Data(values=rows)


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def svg(chart: Any) -> str:
    """The drawing without attributes that the page does not use, coordinates with one decimal."""
    drawn = vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_json(indent=None, validate=False))
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()  # type: ignore[union-attr]
    drawn = re.sub(r"^<svg[^>]*>", "", drawn)
    drawn = re.sub(r'<path class="(?:fore|back)ground"[^>]*/>', "", drawn)
    drawn = re.sub(DROPPED, "", drawn)
    drawn = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{2,}", lambda n: f"{float(n[0]):.1f}", tag[0]), drawn)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'style="max-width:{float(width):.0f}px" aria-hidden="true" focusable="false">{drawn}'
    )
