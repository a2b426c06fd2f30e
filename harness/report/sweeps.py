"""Sweeps: the settings of each, and the judged score over them as a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.charts import finite
from harness.report.content import Content, SweptSetting
from harness.report.drawing import MUTED, WIDTH, Look, Scale, Tick, spanning
from harness.report.trends import BOTTOM, INSET, SERIES, Entry, plot
from harness.report.words import number

LOG_FROM = 8.0  # largest over smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Swept:
    """One sweep at one size, with all its settings."""

    sweep: str
    size: str
    settings: tuple[SweptSetting, ...]

    @property
    def first(self) -> SweptSetting:
        """Any of them, for what all have in common."""
        return self.settings[0]

    @property
    def judged(self) -> bool:
        """Whether any setting is compared with what is declared."""
        return any(one.over_declared is not None for one in self.settings)

    @property
    def not_drawn(self) -> int:
        """How many lines the curve would need beyond those that can be told apart."""
        axis = next(iter(self.first.axes))
        lines = {
            tuple(value for name, value in one.axes.items() if name != axis)
            for one in self.settings
            if finite(one.score)
        }
        return max(0, len(lines) - len(SERIES))


def swept(content: Content) -> list[Swept]:
    """The sweeps of the report, in their order."""
    groups: dict[tuple[str, str], list[SweptSetting]] = {}
    for one in content.swept:
        groups.setdefault((one.sweep, one.size), []).append(one)
    return [Swept(*name, tuple(settings)) for name, settings in groups.items()]


def sweep_chart(sweep: Swept) -> str | None:
    """The judged score over the first setting, with its intervals; a line for each combination of the others.

    A level line is the base's score, where all have one base. None where fewer than two settings are measured.
    """
    known = [one for one in sweep.settings if finite(one.score)]
    if len(known) < 2:
        return None
    axis = next(iter(known[0].axes))
    if all(isinstance(one.axes[axis], int | float) for one in known):
        known.sort(key=lambda one: one.axes[axis])  # type: ignore[arg-type, return-value]
    lines: dict[str, list[SweptSetting]] = {}
    for one in known:
        rest = ", ".join(f"{name} {value}" for name, value in one.axes.items() if name != axis)
        lines.setdefault(rest, []).append(one)
    shown = list(lines.items())[: len(SERIES)]
    entries = [
        Entry(look, rest or sweep.first.judged_by, f"{number(_ends(line)[0])} to {number(_ends(line)[1])}")
        for (rest, line), look in zip(shown, SERIES, strict=False)
    ]
    based = [one.score - one.over_base for one in known if finite(one.score) and finite(one.over_base)]  # type: ignore[operator]
    if len({one.base for one in known}) > 1:
        based = []  # each has its own
    values = [value for one in known for value in (one.score, one.low, one.high) if finite(value)]
    drawing, y, left = plot([*values, *based[:1]], entries, title=True)
    across, ticks = _places([one.axes[axis] for one in sweep.settings], left)
    drawing.bottom_axis(BOTTOM, ticks, left, axis)
    if based:
        drawing.line((left, y(based[0])), (WIDTH, y(based[0])), MUTED, 1.5)
    for (_, line), entry in zip(shown, entries, strict=True):
        drawing.path([(across[one.axes[axis]], y(one.score)) for one in line], entry.look.colour)  # type: ignore[arg-type]
        for one in line:
            x = across[one.axes[axis]]
            if finite(one.low) and finite(one.high):
                drawing.line((x, y(one.low)), (x, y(one.high)), entry.look.colour, 1.5)  # type: ignore[arg-type]
            look = entry.look if not one.winner else Look(entry.look.colour, entry.look.shape, hollow=True, radius=6)
            drawing.mark(x, y(one.score), look)  # type: ignore[arg-type]
    return drawing.svg()


def _ends(line: Sequence[SweptSetting]) -> tuple[float, float]:
    scores = [one.score for one in line if one.score is not None]
    return min(scores), max(scores)


def _places(values: Sequence[str | float], left: float) -> tuple[dict[str | float, float], list[Tick]]:
    """Where each value stands, and the axis' ticks: by number where all are numbers, else side by side."""
    different = list(dict.fromkeys(values))
    numbers = [value for value in different if isinstance(value, int | float)]
    start, end = left + INSET, WIDTH - INSET
    if len(numbers) < len(different) or len(numbers) < 2:
        scale = Scale(0, max(1, len(different) - 1), start, end)
        found = {value: scale(place) for place, value in enumerate(different)}
    else:
        least, most = min(numbers), max(numbers)
        by_ratio = least > 0 and most / least >= LOG_FROM
        placed = {value: math.log(value) if by_ratio else float(value) for value in numbers}
        scale = spanning(list(placed.values()), start, end, margin=0.02)
        found = {value: scale(place) for value, place in placed.items()}
    return found, [
        Tick(place, f"{value:g}" if isinstance(value, float) else str(value)) for value, place in found.items()
    ]
