"""Stored scores of two sides -> the difference that a claim is about, with its interval and its loudest samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from harness.claims import Claim, Regression, Target
from harness.errors import SuiteError
from harness.evaluation import Evaluation, ScoredSample
from harness.gates.evidence.looks import ALPHA, Comparison, interval_of
from harness.gates.evidence.pairing import Conditions, check_comparable, paired_samples
from harness.scoring.metrics import Metric
from harness.statistics.interval import MANY_CUT
from harness.suite import Scores

if TYPE_CHECKING:
    from harness.statistics import Interval

Wanted = Literal["below", "above", "equal"]  # where a claim wants its estimate
LOUDEST = 3  # samples named with a verdict


@dataclass(frozen=True)
class Loud:
    """A sample that speaks strongly for a verdict, with both sides' scores on it."""

    sample_id: str
    candidate: float | None
    baseline: float | None


@dataclass(frozen=True)
class Evidence:
    """A difference from what was claimed against, before any adjustment for the number of claims."""

    candidate: float
    baseline: float | None
    estimate: float  # candidate - baseline, or candidate - threshold
    low: float
    high: float
    p_value: float | None  # two-sided; of a regression one-sided, against "worse by the margin or more"
    n: int
    method: str
    against: str  # the other side in words
    loudest: tuple[Loud, ...]
    wanted: Wanted
    margin: float = 0.0  # how far beyond zero the claim asks for; negative where it allows being worse by that much
    side: str | None = None  # the other side's recipe, or the floor
    level: float = 1 - ALPHA
    seeds: int = 1  # trainings that the interval counts
    asked_otherwise: str = ""  # what made the prompts of both sides differ; empty if they were the same tokens
    computed_otherwise: str = ""  # both sides' hardware, where it differs
    cut: str = ""  # whose completions were cut at max_new_tokens, and how many, where they are many
    limit: int | None = None  # samples of a suite that --limit allowed

    @property
    def edge(self) -> float:
        """The number on one side of which the claim wants the estimate."""
        return -self.margin if self.wanted == "below" else self.margin


@dataclass(frozen=True)
class Missing:
    """Why a gate cannot be judged, and the command that adds what is missing."""

    reason: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; add it: {self.command}" if self.command else self.reason


# One entry for every seed: of the candidate, the evaluations by the claim's suites; of another side, its one.
Candidates = Sequence[Sequence[Evaluation]]
Others = Mapping[str, Sequence[Evaluation]]


def evidence(claim: Claim | Target | Regression, candidates: Candidates, others: Others) -> Evidence:
    """The difference that decides the claim; `others` are the references by name, or the blessed evaluation."""
    found = _difference(claim, candidates, others)
    sides = {"its": [one for own in candidates for one in own]}
    sides |= {f"{name}'s": list(evaluations) for name, evaluations in others.items()}
    return replace(found, cut=cut_in_words(sides), limit=candidates[0][0].limit)


def cut_in_words(sides: Mapping[str, Sequence[Evaluation]]) -> str:
    """Of each side that has many, how many completions were cut: "238 of its 260 and 51 of base's 260"; else empty."""
    words = []
    for whose, evaluations in sides.items():
        reasons = sum((Counter(one.finish_reasons) for one in evaluations), Counter[str]())
        cut, completions = reasons["length"], reasons.total()
        if cut > MANY_CUT * completions:
            words.append(f"{cut:,} of {whose} {completions:,}")
    return " and ".join(words)


def _difference(claim: Claim | Target | Regression, candidates: Candidates, others: Others) -> Evidence:
    """The difference, by the kind of claim."""
    if isinstance(claim, Regression):
        return _against_blessed(claim, candidates[0][0], others[claim.baseline][0])
    if isinstance(claim, Target):
        return _against_floors(claim, candidates, others)
    if claim.reference is not None:
        wanted: Wanted = "below" if claim.lower_than or claim.no_higher_than else "above"
        beyond = claim.by - claim.margin  # one of them is 0: how far past the other side, or how far short of it
        found = _paired(claim.metric, candidates, others[claim.reference], wanted, beyond)
        return replace(found, side=claim.reference, against=f"{claim.reference}'s {found.baseline:.3f}")
    if claim.equals is not None:
        return _on_every_sample(claim.metric, candidates, claim.equals)
    threshold, wanted = (claim.below, "below") if claim.below is not None else (claim.above, "above")
    assert threshold is not None
    return replace(_against_number(claim.metric, candidates, threshold, wanted), against=f"{threshold:g}")


# ---- the kinds of difference --------------------------------------------------------------------------


def _against_floors(target: Target, candidates: Candidates, others: Others) -> Evidence:
    """Against the highest of the floors named, or a number to reach; a floor is a subject's samples or a number."""
    values = {name: _floor(candidates[0][0], others, target, name) for name in target.above}
    highest = max(values, key=values.__getitem__) if values else None
    if highest is not None and highest in others:
        found = _paired(target.metric, candidates, others[highest], "above")
        return replace(found, side=highest, against=f"{highest}'s {found.baseline:.3f}")
    threshold = target.at_least if target.at_least is not None else values[str(highest)]
    found = _against_number(target.metric, candidates, threshold, "above")
    against = f"the target {threshold:g}" if highest is None else f"the floor {highest} {threshold:.3f}"
    return replace(found, side=highest, against=against)


def _paired(
    metric: str, candidates: Candidates, baselines: Sequence[Evaluation], wanted: Wanted, margin: float = 0.0
) -> Evidence:
    """Candidate - baseline over the samples that both answered, over all seeds where there are several."""
    pairs = [paired_samples(own[0], other) for own, other in zip(candidates, baselines, strict=True)]
    how = candidates[0][0].metric(metric)
    clusters = [sample.cluster for sample in pairs[0][0]]
    ours, theirs = ([_scores(side) for side in sides] for sides in zip(*pairs, strict=True))
    edge = -margin if wanted == "below" else margin
    if len(pairs) > 1:
        interval = how.over_seeds(ours, theirs, clusters, against=edge)
    else:
        comparison = Comparison(how, ours[0], theirs[0], clusters, edge)
        interval = interval_of(comparison, (candidates[0][0], baselines[0]))
    found = _evidence(interval, wanted, _over(how, ours), _over(how, theirs))
    loudest = _loudest(how, *pairs[0], edge, interval.estimate > edge)
    found = replace(found, margin=margin, loudest=loudest, seeds=len(pairs))
    return _with_conditions(found, [(own[0], other) for own, other in zip(candidates, baselines, strict=True)])


def _against_number(metric: str, candidates: Candidates, threshold: float, wanted: Wanted) -> Evidence:
    """Candidate - threshold, the samples of all the claim's suites taken as one."""
    samples = [[sample for evaluation in own for sample in evaluation.samples] for own in candidates]
    several = len(candidates[0]) > 1
    clusters = [name for evaluation in candidates[0] for name in _clusters(evaluation, several)]
    scores = [_scores(own) for own in samples]
    how = candidates[0][0].metric(metric)
    if len(samples) > 1:
        interval = how.over_seeds(scores, None, clusters, against=threshold)
    else:
        interval = interval_of(Comparison(how, scores[0], None, clusters, threshold), candidates[0][:1])
    found = replace(
        _evidence(interval, wanted, interval.estimate, threshold),
        estimate=interval.estimate - threshold,
        low=interval.low - threshold,
        high=interval.high - threshold,
    )
    loudest = _loudest(how, samples[0], None, threshold, interval.estimate >= threshold)
    return replace(found, loudest=loudest, seeds=len(samples))


def _on_every_sample(metric: str, candidates: Candidates, number: float) -> Evidence:
    """How far samples are from a number that each of them must have; no test is needed."""
    if metric not in candidates[0][0].samples[0].scores:
        raise SuiteError(f"claim on {candidates[0][0].suite} {metric}: no single sample has that score to be equal.")
    samples = [sample for own in candidates for sample in own[0].samples if sample.scores[metric] is not None]
    distances = [float(sample.scores[metric]) - number for sample in samples]
    off = [sample for distance, sample in zip(distances, samples, strict=True) if distance]
    own = sum(evaluations[0][metric] for evaluations in candidates) / len(candidates)
    return Evidence(
        own, number, own - number, min(distances), max(distances), None, len(samples),
        f"held on {len(samples) - len(off)} of {len(samples)} samples", f"{number:g} on every sample",
        tuple(Loud(sample.sample_id, float(sample.scores[metric]), None) for sample in off[:LOUDEST]),
        "equal", seeds=len(candidates),
    )  # fmt: skip


def _against_blessed(claim: Regression, candidate: Evaluation, blessed: Evaluation) -> Evidence:
    """Candidate - blessed evaluation, tested one-sided: is it worse by the margin or more?"""
    found = _same(claim, candidate) if candidate.key == blessed.key else _since_blessed(claim, candidate, blessed)
    return replace(
        found,
        margin=-claim.margin,
        side=f"baseline {claim.baseline}",
        level=0.9,  # two-sided 90 % is one-sided 95 %
        against=f"{found.baseline:.3f} in baseline {claim.baseline}",
    )


def _same(claim: Regression, candidate: Evaluation) -> Evidence:
    value, n = candidate[claim.metric], int(candidate.metrics[claim.metric]["n"])
    wanted: Wanted = "below" if claim.rises else "above"
    return Evidence(value, value, 0.0, 0.0, 0.0, 0.0, n, "the very same evaluation", "", (), wanted)


def _since_blessed(claim: Regression, candidate: Evaluation, blessed: Evaluation) -> Evidence:
    check_comparable(candidate, blessed, claim.baseline)
    rows, others = paired_samples(candidate, blessed)
    clusters = [row.cluster for row in rows]
    ours, theirs, how = _scores(rows), _scores(others), candidate.metric(claim.metric)
    if (
        candidate.adaptive or blessed.adaptive
    ):  # after repeated looks: the two-sided 90 % interval, and half of its p-value
        edge = claim.margin if claim.rises else -claim.margin
        interval = interval_of(Comparison(how, ours, theirs, clusters, edge), (candidate, blessed), 0.9)
        better = interval.estimate < edge if claim.rises else interval.estimate > edge
        half = (interval.p_value or 0.0) / 2
        interval = replace(interval, p_value=half if better else 1 - half)
    else:
        interval = how.non_inferior(ours, theirs, claim.margin, clusters, claim.rises)
    found = _evidence(interval, "below" if claim.rises else "above", how.estimate(ours), how.estimate(theirs))
    found = replace(found, loudest=_loudest(how, rows, others, 0.0, claim.rises))
    return _with_conditions(found, [(candidate, blessed)])


# ---- what they share ----------------------------------------------------------------------------------


def _evidence(interval: Interval, wanted: Wanted, candidate: float, baseline: float) -> Evidence:
    return Evidence(
        candidate, baseline, interval.estimate, interval.low, interval.high, interval.p_value, interval.n,
        interval.method, "", (), wanted,
    )  # fmt: skip


def _with_conditions(found: Evidence, pairs: Iterable[tuple[Evaluation, Evaluation]]) -> Evidence:
    """The same, with what was not alike on both sides of one of the pairs."""
    sides = [(Conditions.of(own), Conditions.of(other)) for own, other in pairs]
    asked = next(filter(None, (own.asked_unlike(other) for own, other in sides)), "")
    computed = next(filter(None, (own.computed_unlike(other) for own, other in sides)), "")
    return replace(found, asked_otherwise=asked, computed_otherwise=computed)


def _floor(candidate: Evaluation, others: Others, target: Target, name: str) -> float:
    """A floor's value: the average of a reference's seeds, or the suite's own number."""
    if name in others:
        return sum(evaluation[target.metric] for evaluation in others[name]) / len(others[name])
    floors = candidate.floors.get(target.metric, {})
    if name not in floors:
        raise SuiteError(
            f"target on {target.suite} {target.metric}: the suite has no floor {name!r} (it has: {', '.join(floors) or 'none'})."
        )
    return floors[name]


def _scores(samples: Sequence[ScoredSample]) -> list[Scores]:
    return [sample.scores for sample in samples]


def _over(how: Metric, sides: Sequence[Sequence[Scores]]) -> float:
    """The metric over the samples compared, averaged over seeds."""
    return sum(how.estimate(scores) for scores in sides) / len(sides)


def _clusters(evaluation: Evaluation, several: bool) -> list[str | None]:
    """The samples' clusters; with several suites each suite's own."""
    names = [sample.cluster for sample in evaluation.samples]
    return [f"{evaluation.suite}: {name}" if several and name is not None else name for name in names]


def _loudest(
    how: Metric, ours: Sequence[ScoredSample], theirs: Sequence[ScoredSample] | None, centre: float, up: bool
) -> tuple[Loud, ...]:
    """The samples whose score, or difference of both sides, lies farthest above the centre, or below it."""
    found = []
    for row, other in zip(ours, theirs or repeat(None), strict=False):
        own = how.of_sample(row.scores)
        against = how.of_sample(other.scores) if other is not None else None
        if own is None or (other is not None and against is None):
            continue
        found.append((own - (against or 0.0) - centre, Loud(row.sample_id, own, against)))
    loud = sorted((x for x in found if (x[0] > 0) == up and x[0]), key=lambda x: -abs(x[0]))
    return tuple(sample for _, sample in loud[:LOUDEST])
