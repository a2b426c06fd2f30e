"""--adaptive: a suite is asked in batches, in an order drawn by sample ids, and stopped once its gates are decided.

These looks do not raise the error rate: such an evaluation is judged by an interval that allows for them (see
harness.gates.evidence.looks). The rule by which it may be stopped is part of the evaluation's key.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.claims import Claim, Regression
from harness.evaluation import Evaluation
from harness.evaluation.asking.batches import LOOKS
from harness.files import Json
from harness.fingerprint.keys import Keys
from harness.fingerprint.values import plain
from harness.gates.evidence import evidence
from harness.gates.evidence.looks import EARLY
from harness.gates.gate import DeclaredGates, Gate
from harness.gates.judge import Judge, outcome
from harness.recipe import Subject
from harness.scoring.metrics import Mean
from harness.suite import Suite


@dataclass(frozen=True)
class StoppingRules:
    """When --adaptive may stop a suite, as a plain value; called with the suite and the subject."""

    gates: DeclaredGates
    keys: Keys

    def __call__(self, suite: Suite, subject: Subject) -> Json | None:
        """What decides when the suite is stopped for the subject; None where it is always measured whole.

        Whole: without gates of its own on the suite; where another recipe's claim compares with it; where a gate is on
        a metric without declared bounds, or on several suites together; with several training seeds.
        """
        project = self.gates.project
        if suite.dataset is None or suite.copies or not suite.needs_model or project.seeds > 1:
            return None
        own = self.gates.on(suite, subject)
        bounded = {metric.name for metric in suite.metrics if isinstance(metric, Mean) and metric.bounds is not None}
        alone = all(gate.suites == (suite.name,) and gate.claim.metric in bounded for gate in own)
        if not own or not alone or self.gates.refer_to(subject.recipe, suite):
            return None
        # What is compared with is always measured whole, so its key does not depend on a rule.
        against = [self.keys.evaluation(suite, other).key for other in compared_with(self.gates, suite, subject)]
        if self.gates.baseline is not None:
            against.append(self.gates.baseline.evaluations.get(subject.id, {}).get(suite.name, ""))
        return {
            "subject": subject.id,  # whose gates they are: others may have the same weights
            "gates": [plain(gate.claim) for gate in own],
            "families": [max(1, len(self.gates.family(gate))) for gate in own],
            "against": against,
            "looks": LOOKS,
            "early": EARLY,
        }


def compared_with(gates: DeclaredGates, suite: Suite, subject: Subject) -> list[Subject]:
    """The references of the subject's gates on the suite."""
    found = [gates.project.other_side(subject, name) for gate in gates.on(suite, subject) for name in gate.references]
    return [other for other in found if other is not None]


@dataclass(frozen=True)
class Decided:
    """Whether all of a suite's gates have a verdict on the samples so far, whatever the recipe's other claims come to."""

    judge: Judge

    def __call__(self, suite: Suite, subject: Subject, so_far: Evaluation) -> bool:
        """Raises StatisticsError where a metric has no score among the samples so far."""
        return all(self._has_verdict(suite, gate, so_far) for gate in self.judge.gates.on(suite, subject))

    def _has_verdict(self, suite: Suite, gate: Gate, candidate: Evaluation) -> bool:
        others: dict[str, list[Evaluation]] = {}
        for name in gate.references:
            other = self.judge.gates.project.other_side(gate.subject, name)
            found = self.judge.results.evaluation(suite, other) if other is not None else None
            if found is None:
                return False
            others[name] = [found]
        if isinstance(gate.claim, Regression):
            blessed = self.judge.blessed(gate.subject, gate.claim)
            if blessed is None:
                return True  # it is skipped however many samples there are
            others[gate.claim.baseline] = [blessed]
        found_difference = evidence(gate.claim, [[candidate]], others)
        if isinstance(gate.claim, Claim) and gate.claim.equals is not None:
            return outcome(found_difference, None, gate.kind) == "fail"
        p = found_difference.p_value if found_difference.p_value is not None else 1.0
        # Bonferroni over the whole family, the strictest that Holm's adjustment could be.
        adjusted = min(1.0, max(1, len(self.judge.gates.family(gate))) * (1 - p if gate.kind == "regression" else p))
        return outcome(found_difference, adjusted, gate.kind) != "inconclusive"
