"""A gate -> its verdict, from stored scores alone.

A verdict comes from an interval: wholly on the claimed side of its threshold it passes, wholly on the other it
fails, else it is inconclusive. Where a recipe makes several claims, a pass or a fail also has to survive Holm's
adjustment (Holm 1979) over all of them; a claim that is not measured yet counts there as p = 1. Of guarded metrics
only the failures are adjusted: that all are no worse is one statement, which needs each of them at its own level
(Berger 1982, Technometrics 24, 295-300).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import asdict, astuple, dataclass, replace

from harness.claims import Claim, Regression
from harness.errors import EvaluationMissing, HarnessError, StatisticsError
from harness.evaluation import Evaluation, StoredResults
from harness.evaluation.rated import judgements
from harness.files import short, write_whole
from harness.fingerprint.code import EVIDENCE
from harness.fingerprint.values import digest, plain
from harness.gates.evidence import ALPHA, Evidence, Loud, Missing, evidence, rating_evidence
from harness.gates.evidence.pairing import computed_on
from harness.gates.gate import DeclaredGates, Gate
from harness.gates.message import paragraph
from harness.gates.ship import line_of
from harness.gates.verdict import Outcome, Verdict
from harness.project import REFERENCES
from harness.recipe import Subject
from harness.statistics.interval import Interval
from harness.statistics.multiplicity import adjust
from harness.statistics.rule import verdict

MOST_NEEDED = 1_000_000  # samples; a difference that needs more is called undecidable


@dataclass(frozen=True)
class Judge:
    """Judges the gates of a project on what its store holds."""

    gates: DeclaredGates
    results: StoredResults

    def judge(self, gate: Gate) -> Verdict:
        """The gate's verdict; 'skipped', with the command that adds what is missing."""
        claimed = self.skipped(gate)
        found = self.evidence(gate)
        if isinstance(found, Missing):
            return replace(claimed, message=str(found))
        family = self.gates.family(gate)
        adjusted = self._adjusted(gate, found, family) if gate.is_test else None
        decided = outcome(found, adjusted, gate.kind)
        judged = replace(
            claimed,
            verdict=decided,
            reference=self._side(gate, found.side),
            candidate=found.candidate,
            baseline=found.baseline,
            estimate=found.estimate,
            threshold=found.edge,
            p_value=found.p_value,
            p_adjusted=adjusted,
            n=found.n,
            samples_needed=self._samples_needed(found, len(family)) if decided == "inconclusive" else None,
            method=found.method,
            loudest=found.loudest,
        )
        if gate.is_test:  # `equals` is not judged by an interval
            judged = replace(judged, low=found.low, high=found.high, level=found.level, family=len(family))
        return replace(judged, message=paragraph(judged, found))

    def judge_or_skip(self, gate: Gate) -> Verdict:
        """The gate's verdict; skipped with the reason where it cannot be judged at all."""
        try:
            return self.judge(gate)
        except HarnessError as error:
            return replace(self.skipped(gate), message=error.message)

    def skipped(self, gate: Gate) -> Verdict:
        """What is claimed, not judged."""
        return Verdict(
            gate.id,
            gate.subject.id,
            self._side(gate, gate.references[0]) if gate.references else None,
            " and ".join(gate.suites) or gate.claim.suite,
            gate.claim.metric,
            gate.kind,
            gate.claim.sentence,
            "skipped",
            line_of(gate, self.gates.project.suites),
        )

    def evidence(self, gate: Gate) -> Evidence | Missing:
        """The gate's difference, or what is missing to compute it."""
        if gate.is_rating:
            return self._of_ratings(gate)
        candidates: list[list[Evaluation]] = []
        others: dict[str, list[Evaluation]] = {name: [] for name in gate.references}
        seeds = self.gates.seeds_of(gate)
        for subject in seeds:
            own = self._own(gate, subject, len(seeds))
            if isinstance(own, Missing):
                return own
            candidates.append(own)
            for name in gate.references:
                other = self._other(gate, subject, name, len(seeds))
                if isinstance(other, Missing):
                    return other
                others[name].append(other)
        if isinstance(gate.claim, Regression):
            blessed = self.blessed(gate.subject, gate.claim)
            if blessed is None:
                name = gate.claim.baseline
                reason = f"baseline {name} holds no {gate.claim.suite} of {gate.subject.id}"
                return Missing(reason, f"harness baseline set {name}")
            others[gate.claim.baseline] = [blessed]
        return self._remembered(gate, candidates, others)

    def _of_ratings(self, gate: Gate) -> Evidence | Missing:
        """What people said of the first seed's answers."""
        claim = gate.claim
        assert isinstance(claim, Claim)
        other = self._reference(gate.subject, claim.reference) if claim.reference else None
        if isinstance(other, Missing):
            return other
        said = judgements(self.results, list(self.gates.project.suites.values()), gate.subject, other)
        if not said:
            sides = f"{gate.subject.id} {other.id if other else '--scale 5'}"
            return Missing("nobody has rated these answers", f"harness rate {sides}")
        key = digest([[astuple(one) for one in said], plain(claim), self.results.keys.code.of(*EVIDENCE)])
        return self._known(gate, key, lambda: rating_evidence(claim, said, claim.reference))

    def missing(self, gate: Gate, coming: Container[str]) -> Missing | None:
        """What the gate will lack once the evaluations with the keys `coming` are there as well; None if nothing."""
        seeds = self.gates.seeds_of(gate)
        for subject in seeds:
            for name in gate.suites:
                if not self._will_be_there(name, subject, coming):
                    return Missing(f"{subject.id} is not measured by {name}", self._command(subject, seeds=len(seeds)))
            for name in () if gate.is_rating else gate.references:
                other = self._reference(subject, name)
                if isinstance(other, Missing):
                    return other
                if not self._will_be_there(gate.claim.suite, other, coming):
                    reason = f"{other.id} is not measured by {gate.claim.suite}"
                    return Missing(reason, self._command(subject, other, seeds=len(seeds)))
        return None

    def _will_be_there(self, suite: str, subject: Subject, coming: Container[str]) -> bool:
        key = self.results.planned(self.gates.project.suite(suite), subject).key
        return key in coming or self.results.store.holds("evaluations", key)

    def blessed(self, subject: Subject, claim: Regression) -> Evaluation | None:
        """The evaluation that the baseline holds of the subject; EvaluationMissing where the store has lost it."""
        assert self.gates.baseline is not None
        key = self.gates.baseline.evaluations.get(subject.id, {}).get(claim.suite)
        if key is None:
            return None
        found = self.results.by_key(key)
        if found is None:
            raise EvaluationMissing(
                f"baseline {claim.baseline}: the store lacks evaluation {short(key)} ({claim.suite} of {subject.id}).",
                "Copy it from the store where the baseline was set, or bless anew: "
                f"harness baseline set {claim.baseline}",
            )
        return found

    def _own(self, gate: Gate, subject: Subject, seeds: int) -> list[Evaluation] | Missing:
        """The subject's evaluations by the gate's suites."""
        found = []
        for name in gate.suites:
            one = self.results.evaluation(self.gates.project.suite(name), subject)
            if one is None:
                return Missing(f"{subject.id} is not measured by {name}", self._command(subject, seeds=seeds))
            found.append(one)
        return found

    def _other(self, gate: Gate, subject: Subject, name: str, seeds: int) -> Evaluation | Missing:
        """The evaluation of the reference that goes with the subject."""
        other = self._reference(subject, name)
        if isinstance(other, Missing):
            return other
        suite = self.gates.project.suite(gate.claim.suite)
        found = self.results.evaluation(suite, other)
        if found is None:
            return Missing(f"{other.id} is not measured by {suite.name}", self._command(subject, other, seeds=seeds))
        return found

    def _reference(self, subject: Subject, name: str) -> Subject | Missing:
        """The subject of that name that goes with the other."""
        other = self.gates.project.other_side(subject, name)
        if other is None and name in REFERENCES:
            return Missing(f"{subject.id} has no {name} to be compared with: it is not trained from another model")
        if other is None:
            return Missing(f"{name} has no variant {subject.variant.name!r} to compare {subject.id} with")
        return other

    def _remembered(
        self, gate: Gate, candidates: list[list[Evaluation]], others: dict[str, list[Evaluation]]
    ) -> Evidence:
        """The difference, computed once for the same evaluations, claim and code, and then remembered."""
        ours = [{one.key: [one.files, computed_on(one.record)] for one in own} for own in candidates]
        theirs = {
            name: [[one.key, one.files, computed_on(one.record)] for one in seeds] for name, seeds in others.items()
        }
        key = digest([ours, theirs, plain(gate.claim), self.results.keys.code.of(*EVIDENCE)])
        return self._known(gate, key, lambda: evidence(gate.claim, candidates, others))

    def _known(self, gate: Gate, key: str, compute: Callable[[], Evidence]) -> Evidence:
        """What was computed under that key before, or is now."""
        path = self.results.store.root / "verdicts" / f"{key}.json"
        if path.exists():
            stored = json.loads(path.read_text())
            return Evidence(**{**stored, "loudest": tuple(Loud(**loud) for loud in stored["loudest"])})
        try:
            found = compute()
        except StatisticsError as error:
            raise StatisticsError(f"gate {gate.id}: {error.problem}", error.remedy) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(found)))
        return found

    def _adjusted(self, gate: Gate, found: Evidence, family: list[Gate]) -> float:
        """Holm's p over the family: of a claim "no difference", of a guarded metric "not worse than by the margin"."""

        def p_of(one: Gate) -> float:
            p = found.p_value if one.id == gate.id else self._p_value(one)
            if p is None:
                return 1.0
            return 1 - p if gate.kind == "regression" else p

        return adjust([p_of(one) for one in family], "holm")[[one.id for one in family].index(gate.id)]

    def _p_value(self, gate: Gate) -> float | None:
        """Another claim's p-value; None where it cannot be judged, which that claim's own test reports."""
        try:
            found = self.evidence(gate)
        except HarnessError:
            return None
        return None if isinstance(found, Missing) else found.p_value

    def _samples_needed(self, found: Evidence, family: int) -> int | None:
        """Samples at which a difference as large as the one seen would be decided with 80 % power.

        None beyond a million, and with several seeds, where more seeds would be needed. Remembered for the same
        difference: importing numpy and scipy would take a third of a warm session's time.
        """
        key = f"samples_needed:{digest([asdict(found), family])}"
        known = self.results.store.digests.known
        if key not in known:
            self.results.store.digests.learn(key, samples_needed(found, ALPHA / max(1, family)))
        needed: int | None = known[key]
        return needed

    def _command(self, *subjects: Subject, seeds: int) -> str:
        return command(*subjects, seeds=seeds, typed=self.results.typed)

    def _side(self, gate: Gate, name: str | None) -> str | None:
        """The other side as results name it: a subject's id, or the floor as it is."""
        other = self.gates.project.other_side(gate.subject, name) if name in gate.references and name else None
        return other.id if other else name


def outcome(found: Evidence, adjusted: float | None, kind: str) -> Outcome:
    """The verdict on a difference; `adjusted` is Holm's p, None for `equals`."""
    if found.wanted == "equal":
        return "pass" if found.estimate == found.low == found.high == 0 else "fail"
    interval = Interval(found.estimate, found.low, found.high, found.p_value, found.n, found.method)
    below, above = (found.edge, None) if found.wanted == "below" else (None, found.edge)
    decided = verdict(interval, below=below, above=above)
    if decided == "pass" and kind == "regression":  # each at its own level
        significant = found.p_value is None or found.p_value <= ALPHA
    else:
        significant = adjusted is None or adjusted <= ALPHA
    return decided if significant else "inconclusive"


def samples_needed(found: Evidence, alpha: float) -> int | None:
    """Samples that would decide such a difference at error rate `alpha`; None where no feasible number would."""
    from statistics import NormalDist

    from harness import statistics

    effect = found.estimate - found.edge
    spread = (found.high - found.low) / 2 / NormalDist().inv_cdf((1 + found.level) / 2) * found.n**0.5
    if effect == 0 or spread == 0 or found.seeds > 1:
        return None
    if (2.8 * spread / effect) ** 2 > MOST_NEEDED:  # as many at least: 2.8 = z(0.975) + z(0.8)
        return None
    needed = max(statistics.samples_needed(effect, sd=spread, level=1 - alpha), found.n + 1)
    return needed if needed <= MOST_NEEDED else None


def command(*subjects: Subject, seeds: int = 1, typed: str = "") -> str:
    """What a user types to have these subjects trained and measured, with the options in force."""
    names = list(dict.fromkeys(subject.recipe.name for subject in subjects))
    chosen = names[0] if len(names) == 1 else f'"{" or ".join(names)}"'
    more = f" --seeds {seeds}" if seeds > 1 else ""
    return f"pytest suites/ -k {chosen} --scale {subjects[0].scale}{more}{typed}"
