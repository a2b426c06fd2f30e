"""Scores, claims and training losses -> SVG: a dot on its interval for each subject, a curve for each checkpoint."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from harness.report.content import Checkpoint, Content, Gate
from harness.report.drawing import (
    ACCENT,
    FAIL,
    INK,
    MUTED,
    PASS,
    RULE,
    UNDECIDED,
    WIDTH,
    Drawing,
    Look,
    Scale,
    label_room,
    spanning,
)
from harness.report.words import floor_name, number, signed

ROW = 40  # height of one subject: its name, and its interval below
LETTERS, DOTS = 19, 32  # where in a row its name stands, and its interval
CURVE_HEIGHT = 130
MOST_POINTS = 160  # of one training curve
VERDICT_LOOKS = {
    "pass": Look(PASS),
    "fail": Look(FAIL, "cross"),
    "inconclusive": Look(UNDECIDED, hollow=True),
}


@dataclass(frozen=True)
class Row:
    """A subject's line of a chart: its name, an estimate as a number and in words, and the ends of its interval."""

    name: str
    label: str
    value: float
    low: float
    high: float
    look: Look


@dataclass(frozen=True)
class Floor:
    """A value without an interval, drawn as a line through all rows down to its name."""

    name: str
    value: float


def metric_chart(content: Content, suite: str, metric: str) -> str | None:
    """Dot and interval for every subject, a line for every floor; None without a finite estimate."""
    measured = {name: e.metrics[metric] for name, e in content.of_suite(suite).items() if metric in e.metrics}
    references = {s.name for s in content.subjects if s.recipe in ("base", "untrained")}
    found = [
        _row(name, (m.estimate, m.low, m.high), number, Look(MUTED if name in references else ACCENT))
        for name, m in measured.items()
    ]
    rows = [row for row in found if row]
    if not rows:
        return None
    floors = {name: value for name, value in content.floors_of(suite, metric).items() if finite(value)}
    named = [
        Floor(floor_name(name), value)
        for name, value in sorted(floors.items(), key=lambda floor: floor[1])
        if name not in measured
    ]
    return _dots(rows, named, [value for name, value in floors.items() if name in measured])


def forest_chart(gates: list[Gate]) -> str | None:
    """Differences of claims that share a metric and a threshold, with their intervals; the line is the threshold.

    None where no claim has an interval.
    """
    found = [
        _row(
            f"{gate.subject} − {gate.reference}" if gate.reference else f"{gate.subject} − {number(gate.baseline)}",
            (gate.estimate, gate.low, gate.high), signed, VERDICT_LOOKS[gate.verdict],
        )
        for gate in gates
        if gate.verdict in VERDICT_LOOKS
    ]  # fmt: skip
    rows = [row for row in found if row]
    if all(row.low == row.high for row in rows):
        return None  # nothing varies
    return _dots(rows, [], [gates[0].threshold or 0.0])


def curve_chart(checkpoint: Checkpoint) -> str | None:
    """Training loss as a line, held-out loss as points; None without a finite loss."""
    losses = _thinned([(p.step, p.loss) for p in checkpoint.log if finite(p.loss)])
    held_out = _thinned([(p.step, p.eval_loss) for p in checkpoint.log if finite(p.eval_loss)])
    if not losses and not held_out:
        return None
    drawing = Drawing(height=CURVE_HEIGHT + 50)
    y = spanning([loss for _, loss in losses + held_out], CURVE_HEIGHT + 8, 8)
    levels = y.ticks(4)
    left = label_room(levels)
    steps = [step for step, _ in losses + held_out]
    x = Scale(min(steps), max(max(steps), min(steps) + 1), left + 6, WIDTH - 8)
    drawing.left_axis(left, levels)
    drawing.bottom_axis(CURVE_HEIGHT + 8, x.ticks(5, least=1), left, "optimizer step")
    drawing.path([(x(step), y(loss)) for step, loss in losses], ACCENT)
    if len(losses) == 1:
        drawing.mark(x(losses[0][0]), y(losses[0][1]), Look(ACCENT, radius=3))  # a line of one point is not seen
    for step, loss in held_out:
        drawing.mark(x(step), y(loss), Look(FAIL, "diamond", radius=4))
    return drawing.svg()


def _row(
    name: str,
    interval: tuple[float | None, float | None, float | None],
    show: Callable[[float | None], str],
    look: Look,
) -> Row | None:
    """A dot with its estimate, low and high end; without an interval the dot alone, without an estimate None."""
    estimate, low, high = interval
    if not finite(estimate):
        return None
    if not finite(low) or not finite(high):
        low = high = estimate
    return Row(name, show(estimate), estimate, low, high, look)


def _dots(rows: Sequence[Row], floors: Sequence[Floor], thresholds: Sequence[float]) -> str:
    """One row each: name left, estimate right, below them the dot on its interval; lines through all rows."""
    last = len(rows) + len(floors)
    ends = [end for row in rows for end in (row.low, row.high)]
    x = spanning([*ends, *(floor.value for floor in floors), *thresholds], 0, WIDTH)
    bottom = ROW * (last + 0.3)
    drawing = Drawing(height=bottom + 22)
    drawing.bottom_axis(bottom, x.ticks(4))
    for value in thresholds:
        _line_through(drawing, x(value), range(len(rows)))
    for place, floor in enumerate(floors, start=len(rows)):
        _line_through(drawing, x(floor.value), [*range(len(rows)), place])
    for place, row in enumerate(rows):
        y = ROW * place + DOTS
        drawing.line((x(row.low), y), (x(row.high), y), row.look.colour, 2)
        drawing.mark(x(row.value), y, row.look)
    for place, (name, label, colour) in enumerate(
        [(row.name, row.label, INK) for row in rows] + [(floor.name, number(floor.value), MUTED) for floor in floors]
    ):
        drawing.named(ROW * place + LETTERS, name, label, colour)
    return drawing.svg()


def _line_through(drawing: Drawing, x: float, places: Sequence[int]) -> None:
    """A vertical line down to the last of these rows: faint behind the names, strong beside the intervals."""
    drawing.line((x, 4), (x, ROW * places[-1] + DOTS + 10), RULE, 1.25)
    for place in places:
        drawing.line((x, ROW * place + DOTS - 9), (x, ROW * place + DOTS + 10), MUTED, 1.25)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most MOST_POINTS of them, evenly spread, first and last kept."""
    if len(points) <= MOST_POINTS:
        return points
    return [points[round(i * (len(points) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]


def finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
