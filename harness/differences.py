"""Stored scores of two sides -> the difference that a claim is about, with its interval and its loudest samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import SuiteError
from harness.evaluation import Evaluation
from harness.pairing import check_comparable, paired_rows
from harness.recipe import Claim, Target
from harness.scoring.metrics import Metric

if TYPE_CHECKING:
    from harness.statistics import Interval

ALPHA = 0.05
EARLY = 0.2  # share of ALPHA spent on the looks of --adaptive; the rest is for the whole suite
Wanted = Literal["below", "above", "equal"]  # where a claim wants its estimate


@dataclass(frozen=True)
class Measured:
    """A difference from what was claimed against, before any adjustment."""

    candidate: float
    baseline: float | None
    estimate: float  # candidate - baseline, or candidate - threshold
    low: float
    high: float
    p_value: float | None  # two-sided; of a regression one-sided, against "worse by the margin or more"
    n: int
    method: str
    against: str  # the other side in words
    loudest: tuple[Mapping[str, Any], ...]  # sample_id, candidate, baseline: those that speak most for the verdict
    wanted: Wanted
    margin: float = 0.0  # how far beyond zero; negative where so much worse is still no worse
    side: str | None = None  # the other side's recipe, or the floor
    level: float = 1 - ALPHA
    seeds: int = 1  # trainings that the interval counts


@dataclass(frozen=True)
class Regression:
    """What `--baseline NAME` claims of a guarded metric: that it is not worse than the blessed one by the margin."""

    suite: str
    metric: str
    margin: float  # in the metric's unit
    rises: bool  # whether higher is worse
    name: str  # of the baseline

    @property
    def sentence(self) -> str:
        """The claim in words, without its subject."""
        word = "risen" if self.rises else "fallen"
        return f"{self.suite} {self.metric} has not {word} by {self.margin:g} or more since baseline {self.name}"


# One entry for every seed: of the candidate, the evaluations by the claim's suites; of another side, its one.
Candidates = Sequence[Sequence[Evaluation]]
Others = Mapping[str, Sequence[Evaluation]]


def measured(claim: Claim | Target | Regression, candidates: Candidates, others: Others) -> Measured:
    """The difference that decides the claim; `others` are the references by name, or the blessed evaluation."""
    metric = claim.metric
    if isinstance(claim, Regression):
        return _against_blessed(claim, candidates[0][0], others[claim.name][0])
    if isinstance(claim, Target):
        values = {name: _floor(candidates[0][0], others, claim, name) for name in claim.above}
        highest = max(values, key=values.__getitem__) if values else None
        if highest is not None and highest in others:
            return replace(_paired(candidates, others[highest], metric, "above", highest), side=highest)
        threshold = claim.at_least if claim.at_least is not None else values[str(highest)]
        against = f"the target {threshold:g}" if highest is None else f"the floor {highest} {threshold:.3f}"
        return replace(_against_number(candidates, metric, threshold, "above", against), side=highest)
    if claim.reference is not None:
        wanted: Wanted = "below" if claim.lower_than or claim.no_higher_than else "above"
        other = others[claim.reference]
        beyond = claim.by - claim.margin  # one of them is 0: how far past the other side, or how far short of it
        return replace(_paired(candidates, other, metric, wanted, claim.reference, beyond), side=claim.reference)
    if claim.equals is not None:
        return _on_every_sample(candidates, metric, claim.equals)
    if claim.below is not None:
        return _against_number(candidates, metric, claim.below, "below", f"{claim.below:g}")
    assert claim.above is not None
    return _against_number(candidates, metric, claim.above, "above", f"{claim.above:g}")


# ---- the kinds of difference --------------------------------------------------------------------------


def _paired(
    candidates: Candidates,
    baselines: Sequence[Evaluation],
    metric: str,
    wanted: Wanted,
    reference: str,
    margin: float = 0.0,
) -> Measured:
    pairs = [paired_rows(own[0], other) for own, other in zip(candidates, baselines, strict=True)]
    how = candidates[0][0].metric(metric)
    clusters = [row["cluster"] for row in pairs[0][0]]
    ours, theirs = ([[row["scores"] for row in side] for side in sides] for sides in zip(*pairs, strict=True))
    edge = -margin if wanted == "below" else margin
    if len(pairs) > 1:
        interval = how.over_seeds(ours, theirs, clusters, against=edge)
    else:
        fixed = lambda level: how.difference(ours[0], theirs[0], clusters, level, edge)
        looked_at = (candidates[0][0], baselines[0])
        interval = _looked_at(looked_at, how, ours[0], theirs[0], clusters, edge, fixed)
    return Measured(
        _over(how, ours), _over(how, theirs), interval.estimate,
        interval.low, interval.high, interval.p_value, interval.n, interval.method, f"{reference}'s {_over(how, theirs):.3f}",
        _loudest(how, *pairs[0], edge, interval.estimate > edge), wanted, margin, seeds=len(pairs),
    )  # fmt: skip


def _against_number(candidates: Candidates, metric: str, threshold: float, wanted: Wanted, against: str) -> Measured:
    rows = [[row for evaluation in own for row in evaluation.samples] for own in candidates]
    clusters = [name for evaluation in candidates[0] for name in _clusters(evaluation, len(candidates[0]) > 1)]
    scores = [[row["scores"] for row in own] for own in rows]
    how = candidates[0][0].metric(metric)
    if len(rows) > 1:
        interval = how.over_seeds(scores, None, clusters, against=threshold)
    else:
        fixed = lambda level: how.interval(scores[0], clusters, level, threshold)
        interval = _looked_at(candidates[0][:1], how, scores[0], None, clusters, threshold, fixed)
    return Measured(
        interval.estimate, threshold, interval.estimate - threshold, interval.low - threshold,
        interval.high - threshold, interval.p_value, interval.n, interval.method, against,
        _loudest(how, rows[0], None, threshold, interval.estimate >= threshold), wanted, seeds=len(rows),
    )  # fmt: skip


def _on_every_sample(candidates: Candidates, metric: str, number: float) -> Measured:
    if metric not in candidates[0][0].samples[0]["scores"]:
        raise SuiteError(f"claim on {candidates[0][0].suite} {metric}: no single sample has that score to be equal.")
    rows = [row for own in candidates for row in own[0].samples if row["scores"][metric] is not None]
    away = [(float(row["scores"][metric]) - number, row) for row in rows]
    off = [row for distance, row in away if distance]
    loud = ({"sample_id": row["sample_id"], "candidate": float(row["scores"][metric]), "baseline": None} for row in off)
    own = _average([own[0] for own in candidates], metric)
    distances = [distance for distance, _ in away]
    return Measured(
        own, number, own - number, min(distances), max(distances), None, len(rows),
        f"held on {len(rows) - len(off)} of {len(rows)} samples", f"{number:g} on every sample",
        tuple(loud)[:3], "equal", seeds=len(candidates),
    )  # fmt: skip


def _against_blessed(claim: Regression, candidate: Evaluation, blessed: Evaluation) -> Measured:
    wanted: Wanted = "below" if claim.rises else "above"
    side = f"baseline {claim.name}"
    if candidate.key == blessed.key:
        value, n = candidate[claim.metric], int(candidate.metrics[claim.metric]["n"])
        same = Measured(
            value, value, 0.0, 0.0, 0.0, 0.0, n, "the very same evaluation", _in_baseline(value, claim), (), wanted
        )
        return replace(same, margin=-claim.margin, side=side, level=0.9)
    check_comparable(candidate, blessed, claim.name)
    rows, others = paired_rows(candidate, blessed)
    clusters = [row["cluster"] for row in rows]
    ours, theirs = [row["scores"] for row in rows], [row["scores"] for row in others]
    how = candidate.metric(claim.metric)
    interval = how.non_inferior(ours, theirs, claim.margin, clusters, claim.rises)
    if candidate.adaptive or blessed.adaptive:  # looked at repeatedly: two-sided, and half of its p
        edge = claim.margin if claim.rises else -claim.margin
        fixed = lambda level: how.difference(ours, theirs, clusters, 1 - 2 * (1 - level), edge)
        interval = _looked_at((candidate, blessed), how, ours, theirs, clusters, edge, fixed)
        better = interval.estimate < edge if claim.rises else interval.estimate > edge
        half = (interval.p_value or 0.0) / 2
        interval = replace(interval, p_value=half if better else 1 - half)
    return Measured(
        how.estimate(ours), how.estimate(theirs), interval.estimate, interval.low, interval.high, interval.p_value,
        interval.n, interval.method, _in_baseline(how.estimate(theirs), claim),
        _loudest(how, rows, others, 0.0, claim.rises), wanted, -claim.margin, side, 0.9,
    )  # fmt: skip


def _in_baseline(value: float, claim: Regression) -> str:
    return f"{value:.3f} in baseline {claim.name}"


def _looked_at(
    evaluations: Sequence[Evaluation],
    how: Metric,
    ours: list[Any],
    theirs: list[Any] | None,
    clusters: list[Any],
    against: float,
    fixed_at: Callable[[float], Interval],
) -> Interval:
    """The interval by `fixed_at(level)`; of an evaluation under --adaptive, one that allows for its repeated looks.

    `evaluations` are the sides of which one may have been stopped. A fifth of the error rate goes to a confidence
    sequence, which may be looked at after every sample, the rest to the interval of the whole suite, which counts only
    where the whole suite was measured.
    """
    adaptive = [one for one in evaluations if one.adaptive]
    if not adaptive:
        return fixed_at(1 - ALPHA)
    from harness.scoring.metrics import Mean

    found: list[tuple[float, Interval]] = []
    if isinstance(how, Mean) and how.bounds is not None:
        tune_at, largest = max(1, adaptive[0].available // 2), adaptive[0].largest_cluster
        level = 1 - ALPHA * EARLY
        found.append((EARLY, how.sequence(ours, theirs, clusters, level, tune_at, against, largest)))
    stopped = next((one for one in adaptive if one.spared), None)
    if stopped is None:
        found.append((1 - EARLY, fixed_at(1 - ALPHA * (1 - EARLY))))
    if not found:
        assert stopped is not None
        raise SuiteError(
            f"suite {stopped.suite}: --adaptive stopped it after {len(stopped.samples):,} of {stopped.available:,} "
            f"samples, and {how.name!r} can only be judged on all.",
            "Run without --adaptive.",
        )
    p_value = min(1.0, *((one.p_value or 0.0) / weight for weight, one in found))
    return replace(
        found[-1][1],
        low=max(one.low for _, one in found),
        high=min(one.high for _, one in found),
        p_value=p_value,
        method="; or ".join(one.method for _, one in found),
        level=1 - ALPHA,
    )


# ---- what they share ----------------------------------------------------------------------------------


def _floor(candidate: Evaluation, others: Others, target: Target, name: str) -> float:
    if name in others:
        return _average(others[name], target.metric)
    floors = candidate.floors.get(target.metric, {})
    if name not in floors:
        raise SuiteError(
            f"target on {target.suite} {target.metric}: the suite has no floor {name!r} (it has: {', '.join(floors) or 'none'})."
        )
    return floors[name]


def _over(how: Metric, sides: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """The metric over the samples compared, averaged over seeds."""
    return sum(how.estimate(scores) for scores in sides) / len(sides)


def _clusters(evaluation: Evaluation, several: bool) -> list[str | None]:
    """The samples' clusters; with several suites each suite's own."""
    names = [row["cluster"] for row in evaluation.samples]
    return [f"{evaluation.suite}: {name}" if several and name is not None else name for name in names]


def _average(evaluations: Sequence[Evaluation], metric: str) -> float:
    return sum(evaluation[metric] for evaluation in evaluations) / len(evaluations)


def _loudest(
    how: Metric, ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]] | None, centre: float, up: bool
) -> tuple[dict[str, Any], ...]:
    """The three samples whose score, or difference of both sides, lies farthest above the centre, or below it."""
    found = []
    for row, other in zip(ours, theirs or repeat(None), strict=False):
        own = how.of_sample(row["scores"])
        against = how.of_sample(other["scores"]) if other is not None else None
        if own is None or (other is not None and against is None):
            continue
        distance = own - (against or 0.0) - centre
        found.append((distance, {"sample_id": row["sample_id"], "candidate": own, "baseline": against}))
    loud = sorted((x for x in found if (x[0] > 0) == up and x[0]), key=lambda x: -abs(x[0]))
    return tuple(one for _, one in loud[:3])
