"""What ratings come to: who is preferred, with its interval; how far raters agree; whether sides matter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.power import minimum_detectable_difference, samples_needed
from harness.statistics.raters import agreement, mean_of_ratings
from harness.store.ratings import Rated, Rating

USUAL_SPREAD = 0.85  # standard deviation of a preference of 1, -1 or 0: two in three are decided, and a few more
FAIR = 0.2  # of a preference: 60 of 100 against 40 where all are decided


@dataclass(frozen=True)
class Summary:
    """A comparison's ratings together."""

    raters: int
    prompts: int
    groups: int  # of prompts that belong together; as many as prompts where each stands alone
    ratings: int  # first showings
    counts: Mapping[str, int]  # first, second, same, bad; or points -> ratings
    mean: Interval | None  # of 1, -1 and 0, or of points; None of fewer than two items
    between: float | None  # Krippendorff's alpha between raters
    within: float | None  # and between a rater's first and second rating of the same
    twice: int  # answers that a rater was shown a second time, over all raters
    same: int  # of those, rated the same again
    left: int  # of decided pairs, those where the left one was chosen
    decided: int


def summary(rated: Rated, clusters: Mapping[str, str]) -> Summary:
    """`clusters`: sample -> the group of samples that it belongs to, where it belongs to one."""
    first = [one for one in rated.ratings if one.showing == 0]
    pairs = rated.comparison.points is None
    items = [clusters.get(one.sample_id, one.sample_id) for one in first]
    try:
        within = (-1.0, 1.0) if pairs else (1.0, float(rated.comparison.points or 1))
        mean = mean_of_ratings([one.number for one in first], items, [one.rater for one in first], within=within)
    except StatisticsError:
        mean = None  # too few
    decided = [one for one in rated.ratings if one.value in ("first", "second")]
    names = rated.comparison.subjects
    left = sum((one.on_left == names[0]) == (one.value == "first") for one in decided)
    repeated = _repeated(rated)
    return Summary(
        raters=len({one.rater for one in first}),
        prompts=len({one.sample_id for one in first}),
        groups=len(set(items)),
        ratings=len(first),
        counts=dict(Counter(one.value for one in first)),
        mean=mean,
        between=agreement(_by_rater(first), "ordinal"),
        within=agreement(repeated, "ordinal") if repeated else None,
        twice=len(repeated.get("first", {})),
        same=sum(repeated["second"][place] == number for place, number in repeated.get("first", {}).items()),
        left=left if pairs else 0,
        decided=len(decided) if pairs else 0,
    )


def decided_by(items: int) -> tuple[float, int]:
    """(The preference that so many pairs show with 80 % power, the pairs that a preference of 0.2 takes), by one rater."""
    least = minimum_detectable_difference(max(items, 2), sd=USUAL_SPREAD)
    return min(1.0, least), samples_needed(FAIR, sd=USUAL_SPREAD)


def _by_rater(ratings: list[Rating]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in ratings:
        found[one.rater][one.sample_id] = one.number
    return found


def _repeated(rated: Rated) -> dict[str, dict[str, float]]:
    """First and second rating of what a rater rated twice, as of two raters."""
    by_place = {(one.rater, one.sample_id, one.showing): one.number for one in rated.ratings}
    again = [(rater, sample) for rater, sample, showing in by_place if showing == 1 and (rater, sample, 0) in by_place]
    if not again:
        return {}
    return {
        name: {f"{rater} {sample}": by_place[rater, sample, showing] for rater, sample in again}
        for showing, name in enumerate(("first", "second"))
    }
