"""Claims, targets and guarded metrics -> verdicts: pass, fail, inconclusive. Reads stored scores, never a model.

A verdict comes from an interval: wholly on the claimed side of its threshold it passes, wholly on the other it
fails, else it is inconclusive. Where a recipe makes several claims, either has to survive Holm's adjustment (Holm
1979) over all of them; a claim not judged yet counts there as if it had told nothing. Of guarded metrics only the
failures are adjusted: that all are no worse is one statement, which needs each of them at its own level (Berger
1982, Technometrics 24, 295-300).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from harness.bench import Bench
from harness.differences import ALPHA, Measured, Regression, measured
from harness.errors import EvaluationMissing, HarnessError, StatisticsError, SuiteError
from harness.evaluation import Evaluation
from harness.fingerprint import digest, plain
from harness.multiplicity import adjust
from harness.recipe import Claim, Subject, Target
from harness.telling import paragraph
from harness.verdicts import Outcome, Verdict

WITHOUT_TRAINING = ("base", "untrained")  # references that a gate may evaluate by itself
JUDGING = (
    "gates.py",
    "differences.py",
    "pairing.py",
    "statistics",
    "scoring/metrics.py",
)  # the code that a verdict depends on


@dataclass(frozen=True)
class Gate:
    """One claim, target or guarded metric of one subject."""

    subject: Subject  # with several training seeds the first
    claim: Claim | Target | Regression
    repeated: bool = False  # whether an earlier claim of the subject is about the same metric

    @property
    def id(self) -> str:
        """Names only the subject's own side, so that -k finds it there alone."""
        detail = f"-{self.detail}" if self.repeated or self.kind == "regression" else ""
        return f"{self.subject.id}-{self.claim.suite}-{self.claim.metric}{detail}"

    @property
    def kind(self) -> Literal["claim", "target", "regression"]:
        """What is claimed: something of the recipe's own, a score, or that nothing got worse."""
        if isinstance(self.claim, Regression):
            return "regression"
        return "claim" if isinstance(self.claim, Claim) else "target"

    @property
    def detail(self) -> str:
        """The kind of comparison, without the other side's name."""
        return self.claim.kind.removesuffix("_than") if isinstance(self.claim, Claim) else self.kind

    @property
    def references(self) -> tuple[str, ...]:
        """Recipes on the other side."""
        if isinstance(self.claim, Claim):
            return (self.claim.reference,) if self.claim.reference else ()
        if isinstance(self.claim, Target):
            return tuple(name for name in self.claim.above if name in WITHOUT_TRAINING)
        return ()

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites whose samples are judged, as one."""
        more = self.claim.together_with if isinstance(self.claim, Target) else ()
        return (self.claim.suite, *more)

    @property
    def is_test(self) -> bool:
        """Whether chance can make it pass; `equals` holds on every sample or does not."""
        return not (isinstance(self.claim, Claim) and self.claim.equals is not None)


def gates_of(subject: Subject) -> list[Gate]:
    """The gates of a subject's own claims and targets, in the order declared, with ids that differ."""
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


def regressions_of(bench: Bench, subject: Subject) -> list[Gate]:
    """The gates of all metrics that suites guard, where the session has a baseline."""
    if bench.baseline is None:
        return []
    return [
        Gate(subject, Regression(suite.name, g.metric, g.margin, g.may_rise is not None, bench.baseline.name))
        for suite in bench.suites.values()
        for g in suite.guards
        if suite.concerns(subject)
    ]


def all_gates(bench: Bench, subjects: Iterable[Subject]) -> list[Gate]:
    """Every gate of the subjects; several training seeds of a recipe are judged as one."""
    first = [s for s in subjects if s.seed == s.recipe[s.variant.name].seed]
    return [gate for subject in first for gate in (*gates_of(subject), *regressions_of(bench, subject))]


def judge(bench: Bench, gate: Gate) -> Verdict:
    """The gate's verdict; 'skipped' with the command that would add what is missing."""
    reference = _side(bench, gate, gate.references[0]) if gate.references else None
    empty = Verdict(
        gate.id,
        gate.subject.id,
        reference,
        " and ".join(gate.suites),
        gate.claim.metric,
        gate.kind,
        gate.claim.sentence,
        "skipped",
    )
    found = _measured(bench, gate)
    if isinstance(found, str):
        return replace(empty, message=found)
    family = [g for g in _family(bench, gate) if g.is_test]
    adjusted = _adjusted(bench, gate, found, family) if gate.is_test else None
    verdict = outcome(found, adjusted, gate.kind)
    needed = _samples_needed(found, ALPHA / max(1, len(family))) if verdict == "inconclusive" else None
    judged = replace(
        empty,
        verdict=verdict,
        reference=_side(bench, gate, found.side),
        candidate=found.candidate,
        baseline=found.baseline,
        estimate=found.estimate,
        low=found.low if gate.is_test else None,  # of equality no interval speaks
        high=found.high if gate.is_test else None,
        threshold=-found.margin if found.wanted == "below" else found.margin,
        level=found.level if gate.is_test else None,
        p_value=found.p_value,
        p_adjusted=adjusted,
        family=len(family) if gate.is_test else None,
        n=found.n,
        samples_needed=needed,
        method=found.method,
        loudest=tuple(dict(one) for one in found.loudest),
    )
    return replace(judged, message=paragraph(judged, found))


def _family(bench: Bench, gate: Gate) -> list[Gate]:
    """The gates that are adjusted for together."""
    return regressions_of(bench, gate.subject) if gate.kind == "regression" else gates_of(gate.subject)


def _adjusted(bench: Bench, gate: Gate, found: Measured, family: list[Gate]) -> float:
    """Holm's p over the family: of a claim "no difference", of a guarded metric "not worse than by the margin"."""

    def p_of(one: Gate) -> float:
        p = found.p_value if one.id == gate.id else _p_value(bench, one)
        if p is None:
            return 1.0
        return 1 - p if gate.kind == "regression" else p

    return adjust([p_of(one) for one in family], "holm")[[one.id for one in family].index(gate.id)]


def _p_value(bench: Bench, gate: Gate) -> float | None:
    """Another claim's p-value; None where it cannot be judged, which that claim's own test tells."""
    try:
        found = _measured(bench, gate)
    except HarnessError:
        return None
    if isinstance(found, str):
        return None
    return found.p_value


def outcome(found: Measured, adjusted: float | None, kind: str) -> Outcome:
    """The verdict on a measured difference; `adjusted` is Holm's p, None where chance plays no part."""
    if found.wanted == "equal":
        return "pass" if found.estimate == 0 and found.low == found.high == 0 else "fail"
    low, high = found.low + found.margin, found.high + found.margin
    if found.wanted == "above":
        low, high = -(found.high - found.margin), -(found.low - found.margin)
    survives = adjusted is None or adjusted <= ALPHA
    if high < 0:
        enough = found.p_value is None or found.p_value <= ALPHA if kind == "regression" else survives
        return "pass" if enough else "inconclusive"
    return "fail" if low > 0 and survives else "inconclusive"


def _measured(bench: Bench, gate: Gate) -> Measured | str:
    """The gate's difference, remembered by its evaluations; or in words, what is missing."""
    suites = [bench.suite_named(name) for name in gate.suites]
    seeds = [gate.subject] if gate.kind == "regression" else bench.seeds_of(gate.subject)
    candidates, others = [], {name: [] for name in gate.references}  # type: tuple[list[list[Evaluation]], dict[str, list[Evaluation]]]
    for subject in seeds:
        own = [bench.stored_evaluation(suite, subject) for suite in suites]
        missing = next((suite.name for suite, found in zip(suites, own, strict=True) if found is None), None)
        if missing is not None:
            return f"{subject.id} is not measured by {missing}; add it: {command(subject, seeds=len(seeds))}"
        candidates.append([found for found in own if found is not None])
        for name in gate.references:
            other = other_side(bench, subject, name)
            if other is None:
                return f"{name} has no variant {subject.variant.name!r} to compare {subject.id} with"
            found = bench.stored_evaluation(suites[0], other)
            if found is None:
                add = command(subject, other, seeds=len(seeds))
                return f"{other.id} is not measured by {gate.claim.suite}; add it: {add}"
            others[name].append(found)
    if isinstance(gate.claim, Regression):
        blessed = blessed_evaluation(bench, gate.subject, gate.claim)
        if blessed is None:
            name = gate.claim.name
            return (
                f"baseline {name} holds no {gate.claim.suite} of {gate.subject.id}; add it: harness baseline set {name}"
            )
        others[gate.claim.name] = [blessed]
    return _remembered(bench, gate, candidates, others)


def _remembered(
    bench: Bench, gate: Gate, candidates: list[list[Evaluation]], others: dict[str, list[Evaluation]]
) -> Measured:
    """The difference as it was once computed for the same bytes, claim and code; else computed and written down."""
    memory = bench.store.root / "verdicts"
    code = bench.store.digests.of_code(*(Path(__file__).parent / name for name in JUDGING))
    ours = [{one.key: one.artifact.manifest["files"] for one in own} for own in candidates]
    sides = [ours, {k: [[v.key, v.artifact.manifest["files"]] for v in seeds] for k, seeds in others.items()}]
    path = memory / f"{digest([sides, plain(gate.claim), code])}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        return Measured(**{**stored, "loudest": tuple(stored["loudest"])})
    try:
        found = measured(gate.claim, candidates, others)
    except StatisticsError as error:
        raise StatisticsError(f"gate {gate.id}: {error.problem}", error.remedy) from None
    memory.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{id(found)}.tmp")
    temporary.write_text(json.dumps(asdict(found)))
    temporary.replace(path)
    return found


def blessed_evaluation(bench: Bench, subject: Subject, claim: Regression) -> Evaluation | None:
    """What the baseline holds of the subject; EvaluationMissing where it names one that the store has lost."""
    assert bench.baseline is not None
    key = bench.baseline.evaluations.get(subject.id, {}).get(claim.suite)
    if key is None:
        return None
    artifact = bench.store.get("evaluations", key)
    if artifact is None:
        raise EvaluationMissing(
            f"baseline {claim.name}: the store lacks evaluation {key[:8]} ({claim.suite} of {subject.id}).",
            f"Copy it from the store where the baseline was set, or bless anew: harness baseline set {claim.name}",
        )
    return Evaluation(artifact)


def other_side(bench: Bench, subject: Subject, name: str) -> Subject | None:
    """The variant of the same name of another recipe, or None."""
    recipe = bench.recipes.get(name)
    if recipe is None or subject.variant.name not in [v.name for v in recipe.variants]:
        return None
    further = subject.seed - subject.recipe[subject.variant.name].seed  # which of the session's seeds it is
    return bench.subject(name, subject.variant.name, further if recipe.stages else 0)


def _side(bench: Bench, gate: Gate, name: str | None) -> str | None:
    """The other side as results name it: a subject's id, or the floor as it is."""
    other = other_side(bench, gate.subject, name) if name in gate.references else None
    return other.id if other else name


def command(*subjects: Subject, seeds: int = 1) -> str:
    """What a user types to have these subjects trained and measured."""
    names = list(dict.fromkeys(subject.recipe.name for subject in subjects))
    chosen = names[0] if len(names) == 1 else f'"{" or ".join(names)}"'
    more = f" --seeds {seeds}" if seeds > 1 else ""
    return f"pytest suites/ -k {chosen} --scale {subjects[0].scale}{more}"


def _samples_needed(found: Measured, alpha: float) -> int | None:
    """Samples at which a difference as large as the one seen would be decided with 80 % power at error rate
    `alpha`; None beyond a million, and where several seeds are judged: those would have to be more.

    As harness.statistics.samples_needed says, less the few samples that t adds to z: every warm session asks this,
    and numpy and scipy would take a third of its time.
    """
    from statistics import NormalDist

    normal = NormalDist()
    effect = abs(found.estimate + (found.margin if found.wanted == "below" else -found.margin))
    spread = (found.high - found.low) / 2 / normal.inv_cdf((1 + found.level) / 2) * math.sqrt(found.n)
    if effect == 0 or spread == 0 or found.seeds > 1:
        return None
    needed = math.ceil(((normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(0.8)) * spread / effect) ** 2)
    return max(needed, found.n + 1) if needed <= 1_000_000 else None
