"""What ratings came to so far, and how clear a preference so many prompts can show."""

from __future__ import annotations

from collections.abc import Mapping

from harness.statistics.panel import Panel, Said, panel
from harness.statistics.power import minimum_detectable_difference, samples_needed
from harness.store.ratings import Rated

__all__ = ["Panel", "decided_by", "summary"]

USUAL_SPREAD = 0.85  # standard deviation of a preference of 1, -1 or 0: two in three are decided, and a few more
FAIR = 0.2  # of a preference: 60 of 100 against 40 where all are decided


def summary(rated: Rated, clusters: Mapping[str, str]) -> Panel:
    """`clusters`: sample -> the group of samples that it belongs to, where it belongs to one."""
    first = rated.comparison.subjects[0]
    said = [
        Said(one.rater, one.sample_id, clusters.get(one.sample_id, one.sample_id), one.showing, one.value, one.number, one.on_left == first)
        for one in rated.ratings
    ]  # fmt: skip
    return panel(said, rated.comparison.points)


def decided_by(items: int) -> tuple[float, int]:
    """(The preference that so many pairs show with 80 % power, the pairs that a preference of 0.2 takes), by one rater."""
    least = minimum_detectable_difference(max(items, 2), sd=USUAL_SPREAD)
    return min(1.0, least), samples_needed(FAIR, sd=USUAL_SPREAD)
