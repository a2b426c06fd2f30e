"""Claims and targets -> verdicts: pass, fail, inconclusive. Reads stored scores, never a model.

A verdict comes from an interval: wholly on the claimed side of its threshold it passes, wholly on the other
it fails, else it is inconclusive. Where a recipe makes several claims, a pass also has to survive Holm's
adjustment (Holm 1979) over all of them; a claim not judged yet counts there as if it had failed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

from harness.bench import Bench
from harness.errors import HarnessError, SuiteError
from harness.evaluation import Evaluation
from harness.fingerprint import digest, plain
from harness.recipe import Claim, Subject, Target

Outcome = Literal["pass", "fail", "inconclusive", "skipped"]
ALPHA = 0.05
WITHOUT_TRAINING = ("base", "untrained")  # references that a gate may evaluate by itself


@dataclass(frozen=True)
class Gate:
    """One claim or target of one subject."""

    subject: Subject
    claim: Claim | Target
    repeated: bool = False  # whether an earlier claim of the subject is about the same metric

    @property
    def id(self) -> str:
        """Names only the subject's own side, so that -k finds it there alone."""
        detail = f"-{_detail(self.claim)}" if self.repeated else ""
        return f"{self.subject.id}-{self.claim.suite}-{self.claim.metric}{detail}"

    @property
    def references(self) -> tuple[str, ...]:
        """Recipes on the other side."""
        if isinstance(self.claim, Claim):
            return (self.claim.reference,) if self.claim.reference else ()
        return tuple(name for name in self.claim.above if name in WITHOUT_TRAINING)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites whose samples are judged, as one."""
        more = self.claim.together_with if isinstance(self.claim, Target) else ()
        return (self.claim.suite, *more)

    @property
    def is_test(self) -> bool:
        """Whether chance can make it pass; `equals` holds on every sample or does not."""
        return not (isinstance(self.claim, Claim) and self.claim.equals is not None)


def _detail(claim: Claim | Target) -> str:
    """The kind of comparison, without the other side's name."""
    return claim.kind.removesuffix("_than") if isinstance(claim, Claim) else "target"


def gates_of(subject: Subject) -> list[Gate]:
    """The gates of a subject, in the order declared, with ids that differ."""
    claims: list[Claim | Target] = [*subject.recipe.claims, *subject.recipe.targets]
    about = [(claim.suite, claim.metric) for claim in claims]
    gates = [Gate(subject, claim, about[i] in about[:i]) for i, claim in enumerate(claims)]
    seen: dict[str, int] = {}
    for gate in gates:
        seen[gate.id] = seen.get(gate.id, 0) + 1
    if any(count > 1 for count in seen.values()):
        twice = next(name for name, count in seen.items() if count > 1)
        raise SuiteError(f"gate {twice} is declared twice.", "Drop one, or make the claims differ in kind.")
    return gates


@dataclass(frozen=True)
class Measured:
    """A difference from what was claimed against, before any adjustment."""

    candidate: float
    baseline: float | None
    estimate: float  # candidate - baseline, or candidate - threshold
    low: float
    high: float
    p_value: float | None
    n: int
    method: str
    against: str  # the other side in words
    loudest: tuple[str, ...]  # ids of the samples that speak most for the verdict
    sides: Literal["below", "above", "equal"]  # where the claim wants the estimate
    margin: float = 0.0  # how far beyond zero; negative where so much worse is still no worse
    side: str | None = None  # the other side's recipe, or the floor


@dataclass(frozen=True)
class Verdict:
    """A judged gate: what a row of the table `gates` holds."""

    gate: str
    subject: str
    reference: str | None
    suite: str
    metric: str
    claim: str
    verdict: Outcome
    candidate: float | None = None
    baseline: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None  # what the estimate is judged against: 0, or a margin on one side of it
    level: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    n: int | None = None
    samples_needed: int | None = None
    method: str | None = None
    message: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"


def judge(bench: Bench, gate: Gate) -> Verdict:
    """The gate's verdict; 'skipped' with the command that would add what is missing."""
    reference = _side(bench, gate, gate.references[0]) if gate.references else None
    empty = Verdict(
        gate.id,
        gate.subject.id,
        reference,
        " and ".join(gate.suites),
        gate.claim.metric,
        gate.claim.sentence,
        "skipped",
    )
    measured = _measured(bench, gate)
    if isinstance(measured, str):
        return replace(empty, message=measured)
    family = [g for g in gates_of(gate.subject) if g.is_test]
    adjusted = None
    if gate.is_test:
        values = [measured.p_value if g.id == gate.id else _p_value(bench, g) for g in family]
        adjusted = _holm([1.0 if p is None else p for p in values])[[g.id for g in family].index(gate.id)]
    outcome = _outcome(measured, adjusted)
    needed = _samples_needed(measured, ALPHA / max(1, len(family))) if outcome == "inconclusive" else None
    judged = replace(
        empty,
        verdict=outcome,
        reference=_side(bench, gate, measured.side),
        candidate=measured.candidate,
        baseline=measured.baseline,
        estimate=measured.estimate,
        low=measured.low,
        high=measured.high,
        threshold=-measured.margin if measured.sides == "below" else measured.margin,
        level=1 - ALPHA,
        p_value=measured.p_value,
        p_adjusted=adjusted,
        n=measured.n,
        samples_needed=needed,
        method=measured.method,
    )
    return replace(judged, message=_message(judged, measured, len(family)))


def _p_value(bench: Bench, gate: Gate) -> float | None:
    """Another claim's p-value; None where it cannot be judged, which that claim's own test tells."""
    try:
        measured = _measured(bench, gate)
    except HarnessError:
        return None
    return None if isinstance(measured, str) else measured.p_value


def _outcome(measured: Measured, adjusted: float | None) -> Outcome:
    if measured.sides == "equal":
        return "pass" if measured.estimate == 0 and measured.low == measured.high == 0 else "fail"
    low, high = measured.low + measured.margin, measured.high + measured.margin
    if measured.sides == "above":
        low, high = -(measured.high - measured.margin), -(measured.low - measured.margin)
    if high < 0:
        return "pass" if adjusted is None or adjusted <= ALPHA else "inconclusive"
    return "fail" if low > 0 else "inconclusive"


def _measured(bench: Bench, gate: Gate) -> Measured | str:
    """The gate's difference, remembered by its evaluations; or in words, what is missing."""
    suite, candidates = bench.suite_named(gate.claim.suite), []
    for name in gate.suites:
        candidate = bench.stored_evaluation(bench.suite_named(name), gate.subject)
        if candidate is None:
            return f"{gate.subject.id} is not measured by {name}; add it: {command(gate.subject)}"
        candidates.append(candidate)
    others: dict[str, Evaluation] = {}
    for name in gate.references:
        other = other_side(bench, gate.subject, name)
        if other is None:
            return f"{name} has no variant {gate.subject.variant.name!r} to compare {gate.subject.id} with"
        found = bench.stored_evaluation(suite, other)
        if found is None:
            return f"{other.id} is not measured by {suite.name}; add it: {command(gate.subject, other)}"
        others[name] = found
    memory = bench.store.root / "verdicts"
    code = bench.store.digests.of_code(
        *(Path(__file__).parent / n for n in ("gates.py", "statistics.py", "scoring/metrics.py"))
    )
    ours = {candidate.key: candidate.artifact.manifest["files"] for candidate in candidates}
    sides = [ours, {k: v.artifact.manifest["files"] for k, v in others.items()}]
    key = digest([sides, plain(gate.claim), code])
    path = memory / f"{key}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        return Measured(**{**stored, "loudest": tuple(stored["loudest"])})
    measured = _compare(gate, candidates, others)
    memory.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{id(measured)}.tmp")
    temporary.write_text(json.dumps(asdict(measured)))
    temporary.replace(path)
    return measured


def other_side(bench: Bench, subject: Subject, name: str) -> Subject | None:
    """The variant of the same name of another recipe, or None."""
    recipe = bench.recipes.get(name)
    if recipe is None or subject.variant.name not in [v.name for v in recipe.variants]:
        return None
    return bench.subject(
        name, subject.variant.name, subject.seed - recipe[subject.variant.name].seed if recipe.stages else 0
    )


def _side(bench: Bench, gate: Gate, name: str | None) -> str | None:
    """The other side as results name it: a subject's id, or the floor as it is."""
    other = other_side(bench, gate.subject, name) if name in gate.references else None
    return other.id if other else name


def command(*subjects: Subject) -> str:
    """What a user types to have these subjects trained and measured."""
    names = list(dict.fromkeys(subject.recipe.name for subject in subjects))
    chosen = names[0] if len(names) == 1 else f'"{" or ".join(names)}"'
    return f"pytest suites/ -k {chosen} --scale {subjects[0].scale}"


def _compare(gate: Gate, candidates: list[Evaluation], others: dict[str, Evaluation]) -> Measured:
    claim, candidate = gate.claim, candidates[0]
    if isinstance(claim, Target):
        values = {name: _floor(candidate, others, claim, name) for name in claim.above}
        highest = max(values, key=lambda name: values[name]) if values else None
        if highest in others:
            against = f"{highest}'s {values[highest]:.3f}"
            return replace(_paired(candidate, others[highest], claim.metric, "above", against), side=highest)
        threshold = claim.at_least if claim.at_least is not None else values[str(highest)]
        against = f"the target {threshold:g}" if highest is None else f"the floor {highest} {threshold:.3f}"
        return replace(_against_number(candidates, claim.metric, threshold, "above", against), side=highest)
    if claim.reference is not None:
        sides: Literal["below", "above"] = "below" if claim.lower_than or claim.no_higher_than else "above"
        other = others[claim.reference]
        against = f"{claim.reference}'s {other[claim.metric]:.3f}"
        beyond = claim.by - claim.margin  # one of them is 0: how far past the other side, or how far short of it
        return replace(_paired(candidate, other, claim.metric, sides, against, beyond), side=claim.reference)
    if claim.equals is not None:
        return _on_every_sample(candidate, claim.metric, claim.equals)
    if claim.below is not None:
        return _against_number(candidates, claim.metric, claim.below, "below", f"{claim.below:g}")
    assert claim.above is not None
    return _against_number(candidates, claim.metric, claim.above, "above", f"{claim.above:g}")


def _on_every_sample(candidate: Evaluation, metric: str, wanted: float) -> Measured:
    own = candidate[metric]
    rows = [row for row in candidate.samples if row["scores"][metric] is not None]
    away = {row["sample_id"]: float(row["scores"][metric]) - wanted for row in rows}
    off = [name for name, distance in away.items() if distance]
    return Measured(
        own, wanted, own - wanted, min(away.values()), max(away.values()), None, len(rows),
        f"held on {len(rows) - len(off)} of {len(rows)} samples", f"{wanted:g} on every sample", tuple(off[:3]), "equal",
    )  # fmt: skip


def _floor(candidate: Evaluation, others: dict[str, Evaluation], target: Target, name: str) -> float:
    if name in others:
        return others[name][target.metric]
    floors = candidate.floors.get(target.metric, {})
    if name not in floors:
        raise SuiteError(
            f"target on {target.suite} {target.metric}: the suite has no floor {name!r} (it has: {', '.join(floors) or 'none'})."
        )
    return floors[name]


def paired_rows(candidate: Evaluation, baseline: Evaluation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both sides' samples in the same order; SuiteError where they did not answer the same ones."""
    a, b = ({row["sample_id"]: row for row in side.samples} for side in (candidate, baseline))
    only_a, only_b = a.keys() - b.keys(), b.keys() - a.keys()
    if only_a or only_b:
        raise SuiteError(
            f"suite {candidate.suite}: the two sides did not answer the same samples: {len(only_a)} are missing in "
            f"the baseline, {len(only_b)} in the candidate ({', '.join(sorted(only_a | only_b)[:3])}).",
            "Run both again with the same suite: --reevaluate.",
        )
    return list(a.values()), [b[name] for name in a]


def _paired(
    candidate: Evaluation,
    baseline: Evaluation,
    metric: str,
    sides: Literal["below", "above"],
    against: str,
    margin: float = 0.0,
) -> Measured:
    rows, others = paired_rows(candidate, baseline)
    clusters = [row["cluster"] for row in rows]
    scores, other_scores = [row["scores"] for row in rows], [row["scores"] for row in others]
    how = candidate.metric(metric)
    interval = how.difference(scores, other_scores, clusters)
    p_value = interval.p_value
    if margin:
        sign = 1 if sides == "below" else -1
        p_value = _p_from_levels(lambda level: how.difference(scores, other_scores, clusters, level), -sign * margin)
    apart = [
        ((a["scores"].get(metric) or 0) - (b["scores"].get(metric) or 0), a) for a, b in zip(rows, others, strict=True)
    ]
    sign = 1 if interval.estimate > 0 else -1
    loud = sorted((x for x in apart if x[0] * sign > 0), key=lambda x: -abs(x[0]))[:3]
    return Measured(
        candidate[metric], baseline[metric], interval.estimate, interval.low, interval.high, p_value, interval.n,
        interval.method, against, tuple(row["sample_id"] for _, row in loud), sides, margin,
    )  # fmt: skip


def _against_number(
    candidates: list[Evaluation], metric: str, threshold: float, sides: Literal["below", "above"], against: str
) -> Measured:
    rows = [row for candidate in candidates for row in candidate.samples]
    scores, clusters = [row["scores"] for row in rows], [row["cluster"] for row in rows]
    how = candidates[0].metric(metric)
    interval = how.interval(scores, clusters)
    p_value = _p_from_levels(lambda level: how.interval(scores, clusters, level), threshold)
    low_is_loud = interval.estimate < threshold
    known = [row for row in rows if isinstance(row["scores"].get(metric), int | float)]
    loud = sorted(known, key=lambda row: row["scores"][metric], reverse=not low_is_loud)[:3]
    return Measured(
        interval.estimate, threshold, interval.estimate - threshold, interval.low - threshold, interval.high - threshold,
        p_value, interval.n, interval.method, against, tuple(row["sample_id"] for row in loud), sides,
    )  # fmt: skip


def _p_from_levels(interval_at: Callable[[float], Any], threshold: float) -> float:
    """Two-sided p-value as the smallest error level at which the interval excludes the threshold."""
    low, high = 0.0, 1.0  # error levels; at 0 the interval holds everything
    for _ in range(12):
        middle = (low + high) / 2
        interval = interval_at(1 - middle)
        if interval.low <= threshold <= interval.high:
            low = middle
        else:
            high = middle
    return high


def _holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _samples_needed(measured: Measured, alpha: float) -> int | None:
    """Samples at which a difference as large as the one seen would be decided with 80 % power at error level
    `alpha`; None beyond a million."""
    effect = abs(measured.estimate + (measured.margin if measured.sides == "below" else -measured.margin))
    spread = (measured.high - measured.low) / 2 / 1.96 * math.sqrt(measured.n)
    if effect == 0 or spread == 0:
        return None
    normal = NormalDist()
    needed = math.ceil(((normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(0.8)) * spread / effect) ** 2)
    return max(needed, measured.n + 1) if needed <= 1_000_000 else None


def _message(judged: Verdict, measured: Measured, family: int) -> str:
    """The paragraph that a stranger understands."""
    side = {"below": "lower", "above": "higher", "equal": "equal"}[measured.sides]
    margin = f" by at least {measured.margin:g}" if measured.margin > 0 else ""
    held, missed = f"{side}{margin}", f"not {side}{margin}"
    if measured.margin < 0:
        worse = {"below": "higher", "above": "lower"}[measured.sides]
        held, missed = (f"{word}{worse} by {-measured.margin:g} or more" for word in ("not ", ""))
    told = [
        f"{judged.subject} claims: {judged.claim}.",
        f"Its {judged.suite} {judged.metric} is {measured.candidate:.3f} against {measured.against};"
        if measured.sides != "equal"
        else f"Its {judged.suite} {judged.metric} {measured.method}.",
    ]
    if measured.sides != "equal":
        holm = (
            f", {judged.p_adjusted:.2g} after Holm over {family} claims"
            if family > 1 and judged.p_adjusted is not None
            else ""
        )
        p = f", p = {measured.p_value:.2g}{holm}" if measured.p_value is not None else ""
        told.append(
            f"the difference is {measured.estimate:+.3f} (95 % interval {measured.low:+.3f} to {measured.high:+.3f}, "
            f"{measured.n} samples, {measured.method}{p})."
        )
    if judged.verdict == "pass":
        told.append("The claim holds." if measured.sides == "equal" else f"It is {held}: the claim holds.")
    elif judged.verdict == "fail":
        told.append("The claim fails." if measured.sides == "equal" else f"It is {missed}: the claim fails.")
    else:
        need = (
            f"about {judged.samples_needed:,} samples would decide"
            if judged.samples_needed
            else "no feasible number of samples would decide"
        )
        told.append(f"That cannot be decided with {measured.n} samples; {need} a difference of this size.")
    if measured.loudest:
        told.append(f"Loudest samples: {', '.join(measured.loudest)}.")
    return " ".join(told)
