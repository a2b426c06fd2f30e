"""Marks, text and axes -> static SVG, at a width that stays readable at 360 pixels.

Each colour stands for one CSS variable: page.css finds it in the SVG by its value (`[fill="#1f5f8b"]`)
and replaces it, so that the same drawing serves light, dark and print.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from markupsafe import escape

from harness.report.words import visible

INK, PAPER, MUTED, RULE, ACCENT = "#1f2328", "#fcfbf8", "#5c6370", "#dedad2", "#1f5f8b"
PASS, FAIL, UNDECIDED = "#1b6e53", "#a8361c", "#7a5b00"
LINES = (ACCENT, "#b3541e", "#4d7c2a", "#8a3b8f", "#00757a", "#b02a5b", "#6b6100", MUTED)  # of several series

WIDTH = 330  # of a drawing, in pixels
SMALL, NORMAL = 12, 13  # sizes of letters, in pixels
TICK = 5  # length of a tick
LARGEST = 1e290  # of a scale's numbers, far from where floats overflow
ROUNDING = 1e-9  # relative: closer numbers are the same one, summed in another order
GAP = 6  # least space between two labels of an axis
NARROW, WIDE = frozenset("ijltfr.,:;'|!()[] "), frozenset("mwMW%@—…+−=<>~")
NEXT_STEPS = ((math.sqrt(50), 10), (math.sqrt(10), 5), (math.sqrt(2), 2))  # a ratio from here on -> rounded to
OUTLINES = {  # shape -> corners around its middle, for a radius of one
    "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    "diamond": ((0, -1.2), (0.9, 0), (0, 1.2), (-0.9, 0)),
    "triangle-up": ((0, -1.1), (1.05, 0.8), (-1.05, 0.8)),
    "triangle-down": ((0, 1.1), (1.05, -0.8), (-1.05, -0.8)),
    "triangle-right": ((1.1, 0), (-0.8, 1.05), (-0.8, -1.05)),
    "triangle-left": ((-1.1, 0), (0.8, 1.05), (0.8, -1.05)),
}


class Look(NamedTuple):
    """How a mark is drawn: a circle, a cross, or one of OUTLINES."""

    colour: str
    shape: str = "circle"
    hollow: bool = False
    radius: float = 4.5


class Tick(NamedTuple):
    """A place on an axis, in pixels, and what is written there."""

    place: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Numbers from low to high, spread evenly over pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int, least: float = 0.0) -> list[Tick]:
        """About `count` round numbers within the scale, at least `least` apart: multiples of 1, 2 or 5 times 10^n.

        Source: d3-array's ticks (https://d3js.org/d3-array/ticks), whose steps these are.
        """
        step = max(_step(self.high - self.low, count), least)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [i * step for i in range(first, last + 1) if self.low <= i * step <= self.high]
        return [Tick(self(value), label) for value, label in zip(values, _labels(values, step), strict=True)]


def spanning(values: Sequence[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """A scale over all values, and a share of their span beyond both ends; values equal but for rounding are one."""
    low, high = (max(-LARGEST, min(LARGEST, value)) for value in (min(values), max(values)))
    size = max(abs(low), abs(high))
    if size < 1 / LARGEST:
        beyond = 1.0
    elif high - low <= ROUNDING * size:
        beyond = size / 2
    else:
        beyond = (high - low) * margin
    return Scale(low - beyond, high + beyond, start, end)


def _step(span: float, count: int) -> float:
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next((factor for least, factor in NEXT_STEPS if raw / power >= least), 1)


def _labels(values: Sequence[float], step: float) -> list[str]:
    """With as many decimals as the step has, in powers of ten where all are very large or very small."""
    most, place = max(map(abs, values), default=0.0), math.floor(math.log10(step) + 1e-9)
    if most >= 1e7 or (0 < most < 1e-3 and step < 1e-4):
        digits = max(0, math.floor(math.log10(most) + 1e-9) - place)
        labels = [re.sub(r"e([+-])0*(\d+)", r"e\1\2", f"{value:.{digits}e}").replace("e+", "e") for value in values]
        return [label.replace("-", "−") if value else "0" for label, value in zip(labels, values, strict=True)]
    return [f"{value + 0.0:,.{max(0, -place)}f}".replace("-", "−") for value in values]


def text_width(text: str, size: float) -> float:
    """About as wide as a browser's sans-serif letters are, rather more than less, in pixels."""
    return size * sum(
        0.36 if c in NARROW else 0.95 if c in WIDE or ord(c) >= 0x2E80 else 0.7 if c.isupper() else 0.64 for c in text
    )


def fitted(text: str, width: float, size: float) -> str:
    """The text, or its first third and the end as far as they fit: at the end of a name stands its setting."""
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 3, -1):
        short = f"{text[: kept // 3]}…{text[-(kept - kept // 3) :]}"
        if text_width(short, size) <= width:
            return short
    return text[:1] + "…"


@dataclass
class Drawing:
    """An SVG that grows mark by mark; y counts down from the top, as in SVG."""

    height: float
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str, thick: float = 1.0) -> None:
        (x1, y1), (x2, y2) = start, end
        ends = f'x1="{_px(x1)}" y1="{_px(y1)}" x2="{_px(x2)}" y2="{_px(y2)}"'
        self.parts.append(f'<line {ends} stroke="{colour}" stroke-width="{thick:g}"/>')

    def path(self, points: Sequence[tuple[float, float]], colour: str, thick: float = 1.75) -> None:
        """Straight lines from point to point."""
        corners = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
        self.parts.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="{thick:g}"/>')

    def mark(self, x: float, y: float, look: Look) -> None:
        paint = f'fill="{PAPER}" stroke="{look.colour}" stroke-width="2"' if look.hollow else f'fill="{look.colour}"'
        if look.shape == "circle":
            self.parts.append(f'<circle cx="{_px(x)}" cy="{_px(y)}" r="{look.radius:g}" {paint}/>')
        elif look.shape == "cross":
            r = look.radius
            strokes = f"M{_px(x - r)},{_px(y - r)}L{_px(x + r)},{_px(y + r)}M{_px(x + r)},{_px(y - r)}L{_px(x - r)},{_px(y + r)}"
            self.parts.append(f'<path d="{strokes}" stroke="{look.colour}" stroke-width="3.5"/>')
        else:
            corners = " ".join(
                f"{_px(x + a * look.radius)},{_px(y + b * look.radius)}" for a, b in OUTLINES[look.shape]
            )
            self.parts.append(f'<polygon points="{corners}" {paint}/>')

    def text(self, x: float, y: float, text: str, colour: str = INK, size: int = NORMAL, anchor: str = "start") -> None:
        place = f'x="{_px(x)}" y="{_px(y)}"' + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        self.parts.append(f'<text {place} font-size="{size}px" fill="{colour}">{escape(visible(text))}</text>')

    def named(self, y: float, name: str, label: str, colour: str = INK, left: float = 0.0) -> None:
        """A name from `left` on and a label at the right edge; a name that would meet it is cut, and whole in its title."""
        name = visible(name)
        short = fitted(name, self.width - left - text_width(visible(label), NORMAL) - 2 * GAP, NORMAL)
        self.text(left, y, short, colour)
        if short != name:
            self.parts[-1] = self.parts[-1].removesuffix("</text>") + f"<title>{escape(name)}</title></text>"
        self.text(self.width, y, label, colour, anchor="end")

    def bottom_axis(
        self, y: float, ticks: Sequence[Tick], left: float = 0.0, title: str = "", ends: bool = False
    ) -> None:
        """A line from `left` to the right edge, below it ticks, and labels where they do not touch.

        With `ends` the first and the last tick have theirs, and as many between; else every tick, every second...
        """
        self.line((left, y), (self.width, y), RULE)
        for tick in ticks:
            self.line((tick.place, y), (tick.place, y + TICK), RULE)
        for middle, label in _apart(ticks, left, self.width, ends):
            self.text(middle, y + 17, label, MUTED, SMALL, "middle")
        if title:
            self.text((left + self.width) / 2, y + 33, title, MUTED, SMALL, "middle")

    def left_axis(self, x: float, ticks: Sequence[Tick]) -> None:
        """A faint line across the drawing for each tick, its label left of x."""
        for tick in ticks:
            self.line((x, tick.place), (self.width, tick.place), RULE)
            self.text(x - TICK, tick.place + 4, tick.label, MUTED, SMALL, "end")

    def svg(self) -> str:
        return framed("".join(self.parts), self.width, self.height)


def _apart(ticks: Sequence[Tick], left: float, right: float, ends: bool) -> list[Tick]:
    """Where labels that do not touch stand between left and right."""
    widths = {tick: text_width(tick.label, SMALL) for tick in ticks}
    moved = {tick: max(left + widths[tick] / 2, min(tick.place, right - widths[tick] / 2)) for tick in ticks}

    def fit(one: Tick, other: Tick) -> bool:
        return moved[other] - moved[one] >= (widths[one] + widths[other]) / 2 + GAP

    last = len(ticks) - 1
    if ends:
        tries = [[ticks[round(i * last / gaps)] for i in range(gaps + 1)] for gaps in range(last, 0, -1)]
    else:
        tries = [list(ticks[::every]) for every in range(1, last + 1)]
    chosen = next((some for some in tries if all(fit(*pair) for pair in pairwise(some))), ticks[last:])
    return [Tick(moved[tick], tick.label) for tick in chosen]


def label_room(ticks: Sequence[Tick]) -> float:
    """Pixels left of a left axis: the widest label, and the space beside it."""
    return max((text_width(tick.label, SMALL) for tick in ticks), default=0.0) + TICK + 1


def framed(drawn: str, width: float, height: float) -> str:
    """The drawn elements as the page's SVG; the page describes each chart and gives its numbers as a table."""
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{width:.0f}px" aria-hidden="true" focusable="false">{drawn}</svg>'
    )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
