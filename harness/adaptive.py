"""--adaptive: a suite is asked in batches, in a drawn order, and stopped once its gates are decided.

The looks cost nothing in errors: `harness.differences` judges such an evaluation by a confidence sequence, and keeps
most of the error rate for the suite as a whole. The rule by which it was stopped is part of the evaluation's key.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from harness.bench import Bench
from harness.differences import EARLY, Regression, measured
from harness.evaluation import Evaluation
from harness.fingerprint import plain
from harness.gates import Gate, all_gates, blessed_evaluation, gates_of, other_side, outcome
from harness.recipe import Claim, Subject
from harness.scoring.metrics import Mean
from harness.suite import Sample, Suite

LOOKS = 10  # at most, over a whole suite
LEAST_BATCH = 16  # samples: smaller ones would waste the model's time


def stopping_rule(bench: Bench, suite: Suite, subject: Subject) -> dict[str, Any] | None:
    """What decides when the suite is stopped for the subject; None where it is always measured whole.

    Whole: without gates of its own on the suite; where another recipe's claim compares with it; where a gate is on a
    metric without declared bounds, or on several suites together; with several training seeds.
    """
    if suite.dataset is None or suite.copies or not suite.needs_model or bench.options.seeds > 1:
        return None
    gates = _gates_on(bench, suite, subject)
    bounded = {metric.name for metric in suite.metrics if isinstance(metric, Mean) and metric.bounds is not None}
    alone = all(gate.suites == (suite.name,) and gate.claim.metric in bounded for gate in gates)
    every = [gate for recipe in bench.recipes.values() for gate in gates_of(Subject(recipe, recipe.variants[0]))]
    referred = any(subject.recipe.name in gate.references and gate.claim.suite == suite.name for gate in every)
    if not gates or not alone or referred:
        return None
    against = [bench.evaluation_key(suite, other) for other in compared_with(bench, suite, subject)]
    if bench.baseline is not None:
        against.append(bench.baseline.evaluations.get(subject.id, {}).get(suite.name, ""))
    return {
        "subject": subject.id,  # whose gates they are: others may have the same weights
        "gates": [plain(gate.claim) for gate in gates],
        "families": [_family_size(bench, gate) for gate in gates],
        "against": against,
        "looks": LOOKS,
        "early": EARLY,
    }


def compared_with(bench: Bench, suite: Suite, subject: Subject) -> list[Subject]:
    """The references of the subject's gates on the suite."""
    found = [other_side(bench, subject, name) for gate in _gates_on(bench, suite, subject) for name in gate.references]
    return [other for other in found if other is not None]


def in_drawn_order(samples: Sequence[Sample]) -> list[int]:
    """Places of the samples by the digest of their cluster, or id: the same for every subject, clusters together."""

    def drawn(i: int) -> tuple[str, int]:
        name = samples[i].cluster or samples[i].id
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), i

    return sorted(range(len(samples)), key=drawn)


def batches(samples: Sequence[Sample]) -> list[range]:
    """Runs of places in the drawn samples, one for each look; no cluster is cut in two."""
    size = max(LEAST_BATCH, math.ceil(len(samples) / LOOKS))
    found, start = [], 0
    while start < len(samples):
        end = min(start + size, len(samples))
        while (
            end < len(samples) and samples[end].cluster is not None and samples[end].cluster == samples[end - 1].cluster
        ):
            end += 1
        found.append(range(start, end))
        start = end
    return found


def is_decided(bench: Bench, suite: Suite, subject: Subject, so_far: Evaluation) -> bool:
    """Whether all the suite's gates have their verdict on the samples so far, whatever the recipe's others say."""
    return all(_has_verdict(bench, suite, gate, so_far) for gate in _gates_on(bench, suite, subject))


def _has_verdict(bench: Bench, suite: Suite, gate: Gate, candidate: Evaluation) -> bool:
    others: dict[str, list[Evaluation]] = {}
    for name in gate.references:
        other = other_side(bench, gate.subject, name)
        found = bench.store.get("evaluations", bench.evaluation_key(suite, other)) if other is not None else None
        if found is None:
            return False
        others[name] = [Evaluation(found)]
    if isinstance(gate.claim, Regression):
        blessed = blessed_evaluation(bench, gate.subject, gate.claim)
        if blessed is None:
            return True  # skipped, however many samples
        others[gate.claim.name] = [blessed]
    difference = measured(gate.claim, [[candidate]], others)
    if isinstance(gate.claim, Claim) and gate.claim.equals is not None:
        return outcome(difference, None, gate.kind) == "fail"
    p = difference.p_value if difference.p_value is not None else 1.0
    adjusted = min(1.0, _family_size(bench, gate) * (1 - p if gate.kind == "regression" else p))
    return outcome(difference, adjusted, gate.kind) != "inconclusive"


def _gates_on(bench: Bench, suite: Suite, subject: Subject) -> list[Gate]:
    return [gate for gate in all_gates(bench, [subject]) if suite.name in gate.suites]


def _family_size(bench: Bench, gate: Gate) -> int:
    same = [
        one for one in all_gates(bench, [gate.subject]) if (one.kind == "regression") == (gate.kind == "regression")
    ]
    return max(1, sum(one.is_test for one in same))
