"""History and Pareto -> SVG: a plot, and below it a row for each subject with its mark, name and number."""

from dataclasses import dataclass

from harness.report.charts import finite
from harness.report.cost import Pareto, Point
from harness.report.drawing import (
    ACCENT,
    INK,
    LINES,
    MUTED,
    RULE,
    SMALL,
    WIDTH,
    Drawing,
    Look,
    Scale,
    Tick,
    label_room,
    spanning,
)
from harness.report.history import History
from harness.report.words import duration, number

TOP, BOTTOM = 10, 150  # of the plot
INSET = 8  # between the plot's edges and its marks
ROW = 23  # of the legend
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left",
)  # fmt: skip
SERIES = tuple(Look(colour, shape, radius=4) for colour, shape in zip(LINES, SHAPES, strict=True))


@dataclass(frozen=True)
class Entry:
    """A row of the legend."""

    look: Look
    name: str
    label: str


def history_chart(history: History) -> str | None:
    """A line for each subject over the runs, named by their commits; None without a finite score."""
    lines, entries = [], []
    for (name, scores), look in zip(history.series.items(), SERIES, strict=False):
        lines.append([(place, one.estimate) for place, one in sorted(scores.items()) if finite(one.estimate)])
        entries.append(Entry(look, name, number(scores[max(scores)].estimate)))  # its newest, whatever that is
    values = [value for line in lines for _, value in line]
    if not values:
        return None
    drawing, y, left = plot(values, entries, title=False)
    x = Scale(0, max(1, len(history.runs) - 1), left + INSET, WIDTH - INSET)
    drawing.bottom_axis(BOTTOM, [Tick(x(place), run.commit) for place, run in enumerate(history.runs)], left, ends=True)
    places = {run.run_id: run.place for run in history.runs}
    for place in sorted({places[change.run_id] for change in history.changes if change.run_id in places}):
        drawing.line((x(place), TOP), (x(place), BOTTOM), RULE, 2)
    for line, entry in zip(lines, entries, strict=True):
        points = [(x(place), y(value)) for place, value in line]
        drawing.path(points, entry.look.colour)
        for point in points:
            drawing.mark(*point, entry.look)
    return drawing.svg()


def pareto_chart(pareto: Pareto) -> str:
    """Every subject by training time and quality; unbeaten ones are filled, numbered and named."""
    unit, size = _unit(max(point.seconds for point in pareto.points))
    best = [point for point in pareto.points if point.best]
    entries = [
        Entry(Look(ACCENT), f"{place}  {one.subject}", f"{number(one.metric.estimate)} · {duration(one.seconds)}")
        for place, one in enumerate(best, start=1)
    ]
    drawing, y, left = plot([_quality(point) for point in pareto.points], entries, title=True)
    x = spanning([point.seconds / size for point in pareto.points], left + INSET, WIDTH - INSET, margin=0.02)
    drawing.bottom_axis(BOTTOM, x.ticks(5), left, f"training time, {unit}")
    corners = [(x(point.seconds / size), y(_quality(point))) for point in best]
    steps = [(x2, y1) for (_, y1), (x2, _) in zip(corners, corners[1:], strict=False)]
    drawing.path([point for pair in zip(corners, [*steps, corners[-1]], strict=True) for point in pair], RULE, 1.5)
    for point in pareto.points:
        if not point.best:
            drawing.mark(x(point.seconds / size), y(_quality(point)), Look(MUTED, hollow=True, radius=4))
    for place, (across, down) in enumerate(corners, start=1):
        drawing.mark(across, down, Look(ACCENT))
        drawing.text(across, down - 9, str(place), INK, SMALL, "middle")
    return drawing.svg()


def _quality(point: Point) -> float:
    assert point.metric.estimate is not None, "points have finite estimates"
    return point.metric.estimate


def _unit(seconds: float) -> tuple[str, float]:
    return ("seconds", 1) if seconds < 300 else ("minutes", 60) if seconds < 7200 else ("hours", 3600)


def plot(values: list[float], entries: list[Entry], *, title: bool) -> tuple[Drawing, Scale, float]:
    """A drawing with its y axis and, below the plot, its legend; the scale of y, and where the plot begins."""
    top = BOTTOM + (46 if title else 30)
    drawing = Drawing(height=top + ROW * len(entries))
    y = spanning(values, BOTTOM - INSET, TOP + INSET)
    levels = y.ticks(4)
    left = label_room(levels)
    drawing.left_axis(left, levels)
    for place, entry in enumerate(entries):
        middle = top + ROW * (place + 0.5)
        drawing.mark(left + 5, middle, entry.look)
        drawing.named(middle + 4.5, entry.name, entry.label, left=left + 18)
    return drawing, y, left
