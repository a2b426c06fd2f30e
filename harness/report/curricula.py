"""Curricula: a row for each lesson taught last, a column for each lesson measured."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.content import Content, LessonScore


@dataclass(frozen=True)
class Taught:
    """One curriculum at one size."""

    curriculum: str
    size: str
    cells: tuple[tuple[LessonScore, ...], ...]

    @property
    def columns(self) -> tuple[LessonScore, ...]:
        """The lessons that are measured, in their order."""
        return self.cells[0]

    @property
    def conclusion(self) -> str:
        """What was forgotten, in words."""
        return self.cells[0][0].conclusion or ""


def taught(content: Content) -> list[Taught]:
    """The curricula of the report, in their order."""
    groups: dict[tuple[str, str], dict[int, list[LessonScore]]] = {}
    for one in content.lessons:
        groups.setdefault((one.curriculum, one.size), {}).setdefault(one.place, []).append(one)
    return [Taught(*name, tuple(map(tuple, by_place.values()))) for name, by_place in groups.items()]
