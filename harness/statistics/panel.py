"""What a panel of raters said, together: who is preferred, with its interval; how far they agree; whether sides matter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from harness.errors import StatisticsError
from harness.statistics.interval import Interval


@dataclass(frozen=True)
class Said:
    """One rating."""

    rater: str
    sample_id: str
    group: str  # of prompts that belong together
    showing: int  # 1 where the rater had rated it before
    value: str  # first, second, same or bad; points of single answers
    number: float  # 1, -1 or 0; the points
    first_on_left: bool


@dataclass(frozen=True)
class Panel:
    """All ratings of one comparison."""

    raters: int
    prompts: int
    groups: int  # of prompts that belong together; as many as prompts where each stands alone
    ratings: int  # first showings
    counts: Mapping[str, int]  # first, second, same, bad; or points -> ratings
    mean: Interval | None  # of 1, -1 and 0, or of points; None of fewer than two prompts
    between: float | None  # Krippendorff's alpha between raters
    within: float | None  # and between a rater's first and second rating of the same
    twice: int  # answers that a rater was shown a second time, over all raters
    same: int  # of those, rated the same again
    left: int  # of decided pairs, those where the left one was chosen
    decided: int


def panel(said: Sequence[Said], points: int | None) -> Panel:
    """What they said together; `points` of a scale, None of pairs."""
    from harness.statistics.raters import agreement, mean_of_ratings

    first = [one for one in said if one.showing == 0]
    within = (-1.0, 1.0) if points is None else (1.0, float(points))
    groups = [one.group for one in first]
    try:
        mean = mean_of_ratings([one.number for one in first], groups, [one.rater for one in first], within=within)
    except StatisticsError:
        mean = None  # too few
    decided = [one for one in said if one.value in ("first", "second")]
    repeated = _repeated(said)
    counted = find_spec("krippendorff") is not None
    return Panel(
        raters=len({one.rater for one in first}),
        prompts=len({one.sample_id for one in first}),
        groups=len(set(groups)),
        ratings=len(first),
        counts=dict(Counter(one.value for one in first)),
        mean=mean,
        between=agreement(_by_rater(first), "ordinal") if counted else None,
        within=agreement(repeated, "ordinal") if repeated and counted else None,
        twice=len(repeated.get("first", {})),
        same=_same_again(said),
        left=sum(one.first_on_left == (one.value == "first") for one in decided),
        decided=len(decided),
    )


def _by_rater(said: Sequence[Said]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in said:
        found[one.rater][one.sample_id] = one.number
    return found


def _same_again(said: Sequence[Said]) -> int:
    """How often a rater said the same word again."""
    words = {(one.rater, one.sample_id, one.showing): one.value for one in said}
    return sum(
        words.get((rater, sample, 0)) == word for (rater, sample, showing), word in words.items() if showing == 1
    )


def _repeated(said: Sequence[Said]) -> dict[str, dict[str, float]]:
    """First and second rating of what a rater rated twice, as of two raters."""
    by_place = {(one.rater, one.sample_id, one.showing): one.number for one in said}
    again = [(rater, sample) for rater, sample, showing in by_place if showing == 1 and (rater, sample, 0) in by_place]
    if not again:
        return {}
    return {
        name: {f"{rater} {sample}": by_place[rater, sample, showing] for rater, sample in again}
        for showing, name in enumerate(("first", "second"))
    }
