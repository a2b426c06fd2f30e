"""What people said of answers: a row for each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.report.content import Content, RatingRow
from harness.statistics.panel import Panel, Said, panel


@dataclass(frozen=True)
class Rated:
    """One comparison that people rated."""

    suite: str
    first: str
    second: str | None  # None: single answers, on a scale
    points: int | None
    panel: Panel
    notes: tuple[RatingRow, ...]  # ratings with a note

    def share(self, value: str) -> float:
        """The share of ratings that say so."""
        return self.panel.counts.get(value, 0) / self.panel.ratings if self.panel.ratings else 0.0

    @property
    def sentence(self) -> str:
        """What it comes to, in one line."""
        who = f"{self.panel.raters} {'person' if self.panel.raters == 1 else 'people'}"
        mean = self.panel.mean
        interval = "" if mean is None else f" {mean.estimate:.2f} ({mean.low:.2f} to {mean.high:.2f})"
        if self.second is None:
            return f"{who} rated {self.panel.prompts} answers of {self.first} to {self.suite}: mean{interval} of {self.points}"
        return f"{who} rated {self.panel.prompts} pairs of {self.suite}: preference for {self.first} over {self.second}{interval}"


def rated(content: Content) -> list[Rated]:
    """The comparisons that people rated, in their order."""
    found = []
    for _, rows in groupby(content.ratings, lambda one: one.comparison):
        of = list(rows)
        if any(one.showing == 0 for one in of):
            found.append(
                Rated(
                    of[0].suite,
                    of[0].first,
                    of[0].second,
                    of[0].points,
                    _panel(of),
                    tuple(one for one in of if one.note),
                )
            )
    return found


def _panel(rows: Sequence[RatingRow]) -> Panel:
    said = [
        Said(one.rater, one.sample_id, one.group, one.showing, one.value, one.number, one.first_on_left) for one in rows
    ]
    return panel(said, rows[0].points)
