"""Before anything runs: what each gate could detect with the samples it will have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.claims import Regression
from harness.errors import HarnessError
from harness.evaluation import Evaluation
from harness.evaluation.asking.batches import first_drawn
from harness.evaluation.asking.rows import SuiteRows
from harness.gates.evidence import ALPHA
from harness.gates.evidence.pairing import paired_samples
from harness.gates.gate import Gate
from harness.gates.judge import Judge
from harness.recipe import Subject
from harness.scoring.metrics import Mean
from harness.suite import Sample, Suite

WORST = "worst case for scores in [0, 1]"


@dataclass(frozen=True)
class Spread:
    """Standard deviation of one sample's score or difference, and where it is known from."""

    deviation: float
    known_by: str


@dataclass(frozen=True)
class Forecast:
    """Detectable differences by the spread of earlier evaluations, else for the worst case, which it says."""

    judge: Judge
    rows: SuiteRows
    count: Callable[[Any], int]  # of declared rows

    def detectable(self, gate: Gate) -> str:
        """The least difference that the gate's samples would show with 80 % power, in words."""
        from harness.statistics import minimum_detectable_difference

        if gate.is_rating:
            return "as much as people rate: `harness rate` says how clear a preference so many prompts can show"
        samples, units = self._samples(gate)
        if not gate.is_test:
            return f"holds or fails on each of {samples:,} samples"
        if not samples:
            return "its samples are not known before a first measurement"
        spread = self._spread(gate)
        if spread is None:
            return f"{samples:,} samples; what they could detect is not known before a first measurement"
        if spread.deviation == 0:
            return f"{samples:,} samples; no two differed {spread.known_by}"
        n = units if spread.known_by == WORST else samples
        least = minimum_detectable_difference(n, sd=spread.deviation, level=self._level(gate))
        if isinstance(gate.claim, Regression):
            change = "rise" if gate.claim.rises else "fall"
            return (
                f"could show that a {change} stays below {least:.3g} with {samples:,} samples, and must below "
                f"{gate.claim.margin:g} ({spread.known_by})"
            )
        return f"could detect a difference of {least:.2g} with {samples:,} samples ({spread.known_by})"

    def _level(self, gate: Gate) -> float:
        """The level that the gate's interval would have to reach: one-sided, or each claim's share of the error rate."""
        if gate.kind == "regression":
            return 1 - 2 * ALPHA
        return 1 - ALPHA / max(1, len(self.judge.gates.family(gate)))

    def _samples(self, gate: Gate) -> tuple[int, int]:
        """Samples of the gate's suites, and how many stand alone: samples that belong together count once."""
        suites = [self.judge.gates.project.suite(name) for name in gate.suites]
        if any(suite.dataset is None for suite in suites):
            kept = gate.subject.stages[-1].held_out if gate.subject.stages else None
            count = self.count(kept) if kept is not None else 0
            return count, count
        found: list[Sample] = []
        for suite in suites:
            samples = self.rows.samples(suite)
            found += [samples[i] for i in first_drawn(samples, self.judge.results.keys.limit)]
        return len(found), len({sample.cluster or sample.id for sample in found})

    def _spread(self, gate: Gate) -> Spread | None:
        """The spread by earlier evaluations of both sides, of one side, or for the worst case; None where unknown."""
        suite, metric = self.judge.gates.project.suite(gate.claim.suite), gate.claim.metric
        ours, theirs = self._earlier(suite, gate.subject, metric), self._other_side(gate, suite)
        two_sided = bool(gate.references) or isinstance(gate.claim, Regression)
        if ours is not None and theirs is not None and ours.key != theirs.key:
            try:
                return Spread(_of_pairs(ours, theirs, metric), "by earlier evaluations of both sides")
            except HarnessError:
                pass  # of other samples: each side for itself, then
        known = ours or theirs
        if known is not None and metric in known.metrics:
            own = known.metrics[metric]
            deviation = _deviation(own["low"], own["high"], own["n"])
            apart = ", both sides taken as independent" if two_sided else ""
            known_by = f"by the spread of an earlier evaluation{apart}"
            return Spread(deviation * (math.sqrt(2) if two_sided else 1), known_by)
        means = {one.name: one for one in suite.metrics if isinstance(one, Mean)}
        if metric in means and means[metric].bounds == (0.0, 1.0):
            return Spread(1.0 if two_sided else 0.5, WORST)
        return None

    def _other_side(self, gate: Gate, suite: Suite) -> Evaluation | None:
        if isinstance(gate.claim, Regression):
            return self.judge.blessed(gate.subject, gate.claim)
        if not gate.references:
            return None
        other = self.judge.gates.project.other_side(gate.subject, gate.references[0])
        return self._earlier(suite, other, gate.claim.metric) if other is not None else None

    def _earlier(self, suite: Suite, subject: Subject, metric: str) -> Evaluation | None:
        """The newest stored evaluation of the suite that has the metric: of this subject, else of any."""
        found = [one for one in self.judge.results.earlier if one.suite == suite.name and metric in one.metrics]
        own = [one for one in found if one.subject == subject.id]
        return own[-1] if own else found[-1] if found else None


def _of_pairs(ours: Evaluation, theirs: Evaluation, metric: str) -> float:
    """The deviation of one sample's difference."""
    rows, others = paired_samples(ours, theirs, common=True)
    clusters = [row.cluster for row in rows]
    own, other = [row.scores for row in rows], [row.scores for row in others]
    interval = ours.metric(metric).difference(own, other, clusters)
    return _deviation(interval.low, interval.high, interval.n)


def _deviation(low: float, high: float, n: int) -> float:
    """The deviation of one sample, from the 95 % interval of the mean of n."""
    return (high - low) / 2 / 1.96 * math.sqrt(n)
