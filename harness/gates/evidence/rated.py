"""Claims about what people said: `Claim("rating", "preferred", higher_than="with_kilt")`, `Claim("rating", "score", above=3.5)`.

`preferred` is the share of ratings that prefer the subject, less the share that prefer the other; `score` the mean of points.
Prompts and raters both count as drawn (`harness.statistics.raters`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.claims import Claim
from harness.evaluation.rated import Judgement
from harness.gates.evidence.difference import LOUDEST, Evidence, Loud


def rating_evidence(claim: Claim, said: Sequence[Judgement], other: str | None) -> Evidence:
    """The difference that decides the claim. Raises StatisticsError for fewer than two prompts."""
    from harness.statistics.raters import mean_of_ratings

    edge = claim.by - claim.margin  # as of other claims: how far past the other side, or how far short of it
    below = claim.lower_than or claim.no_higher_than or claim.below is not None
    threshold = next((value for value in (claim.below, claim.above) if value is not None), 0.0)
    at = threshold + (-edge if below else edge)
    most = max(one.points or 1 for one in said)
    within = (-1.0 - at, 1.0 - at) if other is not None else (1.0 - at, most - at)
    groups, raters = [one.group for one in said], [one.rater for one in said]
    found = mean_of_ratings([one.value - at for one in said], groups, raters, within=within)
    shift = at - threshold
    candidate, baseline = _sides(said, other, threshold)
    return Evidence(
        candidate=candidate,
        baseline=baseline,
        estimate=found.estimate + shift,
        low=found.low + shift,
        high=found.high + shift,
        p_value=found.p_value,
        n=found.n,
        method=found.method,
        against=f"{threshold:g}" if other is None else f"{other}'s {baseline:.3f}",
        loudest=_loudest(said, other is not None, found.estimate > 0),
        wanted="below" if below else "above",
        margin=edge,
        side=other,
    )


def _sides(said: Sequence[Judgement], other: str | None, threshold: float) -> tuple[float, float]:
    """The shares that prefer each; of single answers the mean, and what it is compared with."""
    if other is None:
        return sum(one.value for one in said) / len(said), threshold
    return sum(one.value > 0 for one in said) / len(said), sum(one.value < 0 for one in said) / len(said)


def _loudest(said: Sequence[Judgement], pairs: bool, high: bool) -> tuple[Loud, ...]:
    """The prompts on which people agreed most with the verdict, with both sides' shares."""
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for one in said:
        by_prompt[one.sample_id].append(one.value)
    means = {name: sum(values) / len(values) for name, values in by_prompt.items()}
    first = sorted(means, key=lambda name: (-means[name] if high else means[name], name))[:LOUDEST]

    def shares(values: list[float]) -> tuple[float, float | None]:
        if not pairs:
            return sum(values) / len(values), None
        return sum(value > 0 for value in values) / len(values), sum(value < 0 for value in values) / len(values)

    return tuple(Loud(name, *shares(by_prompt[name])) for name in first)
