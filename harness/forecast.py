"""Before anything runs: what each gate could detect with the samples it will have."""

from __future__ import annotations

import math
from functools import cached_property

from harness.bench import Bench
from harness.differences import ALPHA, Regression
from harness.errors import HarnessError
from harness.evaluation import Evaluation
from harness.gates import Gate, all_gates, blessed_evaluation, other_side
from harness.pairing import paired_rows
from harness.recipe import Subject
from harness.scoring.metrics import Mean
from harness.suite import Suite, samples_of


class Forecast:
    """Detectable differences by the spread of earlier evaluations, else for the worst case, which it says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def detectable(self, gate: Gate) -> str:
        """The least difference that the gate's samples would show with 80 % power, in words."""
        from harness.statistics import minimum_detectable_difference

        samples, units = self._samples(gate)
        if not gate.is_test:
            return f"holds or fails on each of {samples:,} samples"
        family = sum(g.kind != "regression" for g in all_gates(self.bench, [gate.subject]) if g.is_test)
        level = 1 - 2 * ALPHA if gate.kind == "regression" else 1 - ALPHA / max(1, family)
        spread, told = self._spread(gate) if samples else (None, "")
        if not samples:
            return "its samples are not known before a first measurement"
        if spread is None:
            return f"{samples:,} samples; what they could detect is not known before a first measurement"
        if spread == 0:
            return f"{samples:,} samples; no two differed {told}"
        n = units if told == WORST else samples
        least = minimum_detectable_difference(n, sd=spread, level=level)
        if isinstance(gate.claim, Regression):
            change = "rise" if gate.claim.rises else "fall"
            return (
                f"could show that a {change} stays below {least:.3g} with {samples:,} samples, and must below "
                f"{gate.claim.margin:g} ({told})"
            )
        return f"could detect a difference of {least:.2g} with {samples:,} samples ({told})"

    def _samples(self, gate: Gate) -> tuple[int, int]:
        """Samples of the gate's suites, and of these what stands alone: samples that belong together count once."""
        suites = [self.bench.suite_named(name) for name in gate.suites]
        if any(suite.dataset is None for suite in suites):
            kept = gate.subject.stages[-1].held_out if gate.subject.stages else None
            count = self.bench.count(kept) if kept is not None else 0
            return count, count
        found = [sample for suite in suites for sample in samples_of(suite, self.bench.suite_data(suite).rows)]
        return len(found), len({sample.cluster or sample.id for sample in found})

    def _spread(self, gate: Gate) -> tuple[float | None, str]:
        """Standard deviation of one sample's score or difference, and where it is known from; None where from nowhere."""
        suite, metric = self.bench.suite_named(gate.claim.suite), gate.claim.metric
        ours = self._earlier(suite, gate.subject, metric)
        theirs = None
        if isinstance(gate.claim, Regression):
            theirs = blessed_evaluation(self.bench, gate.subject, gate.claim)
        elif gate.references:
            other = other_side(self.bench, gate.subject, gate.references[0])
            theirs = self._earlier(suite, other, metric) if other is not None else None
        if ours is not None and theirs is not None and ours.key != theirs.key:
            try:
                return self._of_pairs(ours, theirs, metric), "by earlier evaluations of both sides"
            except HarnessError:
                pass  # of other samples: each side for itself, then
        known = ours or theirs
        if known is not None and metric in known.metrics:
            own = known.metrics[metric]
            spread = (own["high"] - own["low"]) / 2 / 1.96 * math.sqrt(own["n"])
            apart = bool(gate.references) or isinstance(gate.claim, Regression)
            told = f"by the spread of an earlier evaluation{', both sides taken as independent' if apart else ''}"
            return spread * (math.sqrt(2) if apart else 1), told
        means = {one.name: one for one in suite.metrics if isinstance(one, Mean)}
        if metric in means and means[metric].bounds == (0.0, 1.0):
            return (1.0 if gate.references or isinstance(gate.claim, Regression) else 0.5), WORST
        return None, ""

    def _of_pairs(self, ours: Evaluation, theirs: Evaluation, metric: str) -> float:
        rows, others = paired_rows(ours, theirs, common=True)
        clusters = [row["cluster"] for row in rows]
        own, other = [row["scores"] for row in rows], [row["scores"] for row in others]
        interval = ours.metric(metric).difference(own, other, clusters)
        return (interval.high - interval.low) / 2 / 1.96 * math.sqrt(interval.n)

    def _earlier(self, suite: Suite, subject: Subject, metric: str) -> Evaluation | None:
        """The newest stored evaluation of the suite that has the metric: of this subject, else of any."""
        found = [one for one in self._stored if one.suite == suite.name and metric in one.metrics]
        own = [one for one in found if one.artifact.record.get("subject") == subject.id]
        return own[-1] if own else found[-1] if found else None

    @cached_property
    def _stored(self) -> list[Evaluation]:
        return [Evaluation(artifact) for artifact in self.bench.store.all("evaluations")]


WORST = "worst case for scores in [0, 1]"
