"""A sweep -> its settings compared: what each scored, which is chosen, and what choosing the best of many is worth.

Settings are chosen by one metric and judged by another. Where no sample has both, the winner's score is not the one it
was picked for, and it is compared once; else it is the best of many. Each setting is compared with the recipe's own, sample by sample; the p-values are adjusted for their number by Holm
(1979). What picking the best by the judged score itself would add to that score is its optimism, and is said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from harness.errors import SuiteError
from harness.evaluation import Evaluation, StoredResults
from harness.files import Json
from harness.gates.evidence import ALPHA
from harness.gates.evidence.pairing import paired_samples
from harness.gates.sweep_scores import doubling_of, judged_scores, optimism_of
from harness.project import Project
from harness.recipe import Point, Subject, Sweep
from harness.recipe.sweep import AMOUNTS, label
from harness.scoring.metrics import Mean
from harness.statistics.multiplicity import adjust
from harness.suite import Suite

if TYPE_CHECKING:
    from harness.statistics import Interval

Against = Literal["higher", "lower", "inconclusive"]


@dataclass(frozen=True)
class Difference:
    """A setting's judged score less another subject's, over the samples that both answered."""

    subject: str
    estimate: float
    low: float
    high: float
    p_value: float | None


@dataclass(frozen=True)
class Setting:
    """One point of a sweep, with its scores; None where they are not measured under every seed."""

    subject: str
    words: str  # "rank 8, learning_rate 0.001"
    values: dict[str, str | int | float]  # by setting, as a chart's axis needs them
    own: bool  # whether it is the recipe as declared
    seeds: int
    chosen_by: float | None
    score: float | None
    low: float | None
    high: float | None
    n: int | None
    over_base: Difference | None
    over_own: Difference | None
    p_adjusted: float | None  # of over_own, by Holm over the sweep
    against_own: Against | None
    winner: bool = False
    spared: str = ""  # why its training was left unfinished: stopped early by --adaptive, or diverged

    @property
    def is_measured(self) -> bool:
        """Whether both of its scores are there."""
        return self.chosen_by is not None and self.score is not None


@dataclass(frozen=True)
class Swept:
    """A sweep at one size of its recipe."""

    sweep: str  # its recipe's name
    size: str  # the variant that it was swept at
    chosen_by: str  # suite and metric
    judged_by: str
    settings: tuple[Setting, ...]
    optimism: float | None  # of the best by the judged score itself, in that score's unit
    doubling: Difference | None = (
        None  # of a sweep over amounts: what twice the rows or phrasings are worth at its slope
    )
    conclusion: str = ""  # in words, what the winner is

    def rows(self, run_id: str) -> list[Json]:
        """A row of the warehouse's table for each setting."""
        return [
            {
                "run_id": run_id,
                "sweep": self.sweep,
                "size": self.size,
                "place": place,
                "subject": one.subject,
                "setting": one.words,
                "axes": json.dumps(one.values),
                "chosen_by": self.chosen_by,
                "judged_by": self.judged_by,
                "own": one.own,
                "winner": one.winner,
                "seeds": one.seeds,
                "choosing": one.chosen_by,
                **{name: getattr(one, name) for name in ("score", "low", "high", "n", "p_adjusted")},
                **_columns("base", one.over_base),
                **_columns("declared", one.over_own),
                "p_value": one.over_own.p_value if one.over_own else None,
                "against_declared": one.against_own,
                "unfinished": one.spared or None,
                "optimism": self.optimism,
                "conclusion": self.conclusion,
            }
            for place, one in enumerate(self.settings)
        ]


def _columns(name: str, found: Difference | None) -> Json:
    if found is None:
        return {}
    over = f"over_{name}"
    return {name: found.subject, over: found.estimate, f"{over}_low": found.low, f"{over}_high": found.high}


@dataclass(frozen=True)
class _Point:
    """One point with its evaluations, a list of one for each seed; empty where not all are there."""

    point: Point
    subject: Subject
    own: bool
    choosing: list[Evaluation]
    judging: list[Evaluation]


def compare_settings(project: Project, results: StoredResults, sweep: Sweep) -> list[Swept]:
    """The sweep at each of its sizes of the session's scale. Raises SuiteError for a metric that no suite declares, or
    of which it is not known whether more is better.
    """
    sizes = [name for name in sweep.variants if sweep.of[name].scale == project.scale]
    return [_at_size(project, results, sweep, size) for size in sizes]


def _at_size(project: Project, results: StoredResults, sweep: Sweep, size: str) -> Swept:
    chooses, judges = (project.suite(suite) for suite, _ in (sweep.chosen_by, sweep.judged_by))
    up = _rises(chooses, sweep.chosen_by[1])
    points = [_read(project, results, sweep, one) for one in sweep.points if one.of.name == size]
    own = next((one for one in points if one.own), None)
    beside = _read_own(project, results, sweep, size) if own is None else replace(own, subject=sweep.of[size])
    settings = [_setting(project, results, sweep, one, beside) for one in points]
    settings = _adjusted(settings)
    ended = [one for one in settings if not one.spared]
    choosing = [one.chosen_by or 0.0 for one in ended]
    chosen = bool(ended) and all(one.is_measured for one in ended)
    if chosen:
        best = ended[choosing.index(max(choosing) if up else min(choosing))]
        settings[settings.index(best)] = replace(best, winner=True)
    metric, measured = sweep.judged_by[1], [one for one in points if one.judging]
    scores = judged_scores([one.judging for one in measured], metric) if len(measured) > 1 else None
    [axis, *others] = [name for name, _ in sweep.axes]
    doubling = None
    if scores and axis in AMOUNTS and not others and len(measured) > 2:
        gain = doubling_of(scores, [one.point.settings[axis] for one in measured])
        doubling = Difference("twice as much", gain.estimate, gain.low, gain.high, gain.p_value)
    found = Swept(
        sweep=sweep.recipe.name,
        size=size,
        chosen_by=" ".join(sweep.chosen_by),
        judged_by=" ".join(sweep.judged_by),
        settings=tuple(settings),
        optimism=optimism_of(scores, _rises(judges, metric)) if scores else None,
        doubling=doubling,
    )
    by_others = chosen and _chosen_by_others(sweep, [one for one in points if one.choosing and one.judging])
    return replace(found, conclusion=_conclusion(found, beside, by_others))


def check_sweep(project: Project, sweep: Sweep) -> None:
    """Raise SuiteError where a sweep could not be compared once all is trained: a suite or a metric that does not exist,
    of which it is not known whether more is better, or that its recipe has no rows for.
    """
    for suite, metric in (sweep.chosen_by, sweep.judged_by):
        if suite not in project.suites:
            raise SuiteError(
                f"{sweep.recipe.name} is chosen or judged by {suite} {metric}, and there is no suite {suite!r} "
                f"(suites: {', '.join(project.suites)}).",
                'Say chosen_by=("suite", "metric") and judged_by=(...), or add it: harness add suite NAME.',
            )
        _rises(project.suite(suite), metric)
        without = next((one for one in sweep.recipe if not project.suite(suite).concerns(one)), None)
        if without is not None:
            raise SuiteError(
                f"{sweep.recipe.name} is to be chosen or judged by {suite}, which does not measure {without.id}: "
                "that asks for held-out rows, or for weights, which it does not have.",
                'Give its stage held_out=..., or say chosen_by=("suite", "metric") and judged_by=(...).',
            )


def _rises(suite: Suite, metric: str) -> bool:
    """Whether more of a metric is better."""
    declared = {one.name: one.better for one in suite.metrics}
    if metric not in declared:
        known = ", ".join(declared) or "none"
        raise SuiteError(
            f"a sweep asks for {suite.name} {metric!r}, which the suite does not declare (it has: {known})."
        )
    if declared[metric] is None:
        raise SuiteError(
            f"a sweep asks for {suite.name} {metric}, and it is not known whether more of it is better.",
            f'Declare it in the suite: Mean({metric!r}, better="higher") or "lower".',
        )
    return declared[metric] == "higher"


def _read(project: Project, results: StoredResults, sweep: Sweep, point: Point) -> _Point:
    subject = Subject(sweep.recipe, point.variant)
    own = results.keys.fingerprint(subject) == results.keys.fingerprint(Subject(sweep.of, point.of))
    return _with_results(project, results, sweep, point, subject, own)


def _read_own(project: Project, results: StoredResults, sweep: Sweep, size: str) -> _Point:
    """The recipe as declared, where that is none of the points."""
    subject = sweep.of[size]
    return _with_results(project, results, sweep, Point(subject.variant, {}, subject.variant), subject, True)


def _with_results(
    project: Project, results: StoredResults, sweep: Sweep, point: Point, subject: Subject, own: bool
) -> _Point:
    seeds = project.seeds_of(subject)
    found = []
    for name in (sweep.chosen_by[0], sweep.judged_by[0]):
        suite = project.suite(name)
        every = [results.evaluation(suite, one) for one in seeds if suite.concerns(one)]
        there = [one for one in every if one is not None]
        found.append(there if len(there) == len(seeds) else [])
    return _Point(point, subject, own, *found)


def _setting(project: Project, results: StoredResults, sweep: Sweep, one: _Point, own: _Point) -> Setting:
    interval = over_seeds(one.judging, None, sweep.judged_by[1]) if one.judging else None
    seeds = project.seeds_of(one.subject)
    chosen = [evaluation[sweep.chosen_by[1]] for evaluation in one.choosing]
    judges, base = project.suite(sweep.judged_by[0]), project.other_side(one.subject, "base")
    comparable = base is not None and judges.dataset is not None  # else its samples are the subject's own
    base_result = results.evaluation(judges, base) if base is not None and comparable else None
    over_base = over_own = None
    if one.judging and base is not None and base_result is not None:
        over_base = difference(base.id, one.judging, [base_result] * len(one.judging), sweep.judged_by[1])
    if one.judging and own.judging and not one.own:
        over_own = difference(own.subject.id, one.judging, own.judging, sweep.judged_by[1])
    return Setting(
        subject=one.subject.id,
        words=one.point.words,
        values={name: _on_axis(value) for name, value in one.point.settings.items()},
        own=one.own,
        seeds=len(seeds),
        chosen_by=sum(chosen) / len(chosen) if chosen else None,
        score=interval.estimate if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=interval.n if interval else None,
        over_base=over_base,
        over_own=over_own,
        p_adjusted=None,
        against_own=None,
        spared=next(filter(None, (results.why_unfinished(results.keys.last(s)) for s in seeds)), ""),
    )


def _on_axis(value: object) -> str | int | float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else label(value)


def over_seeds(ours: Sequence[Evaluation], theirs: Sequence[Evaluation] | None, metric: str) -> Interval:
    """The metric, or its difference, over all seeds and the samples that all answered."""
    how = ours[0].metric(metric)
    if theirs is None:
        clusters = [sample.cluster for sample in ours[0].samples]
        rows = [[sample.scores for sample in one.samples] for one in ours]
        return how.over_seeds(rows, None, clusters) if len(rows) > 1 else how.interval(rows[0], clusters)
    pairs = [paired_samples(a, b) for a, b in zip(ours, theirs, strict=True)]
    clusters = [sample.cluster for sample in pairs[0][0]]
    own, other = ([[sample.scores for sample in side] for side in sides] for sides in zip(*pairs, strict=True))
    if len(pairs) > 1:
        return how.over_seeds(own, other, clusters)
    return how.difference(own[0], other[0], clusters)


def difference(name: str, ours: Sequence[Evaluation], theirs: Sequence[Evaluation], metric: str) -> Difference:
    """Ours less theirs, which are of the subject of that name, over the samples that both answered; one for each seed."""
    found = over_seeds(ours, theirs, metric)
    return Difference(name, found.estimate, found.low, found.high, found.p_value)


def _adjusted(settings: Sequence[Setting]) -> list[Setting]:
    """The settings with Holm's p over all that are compared with the recipe's own; one not measured yet counts as 1."""
    others = [one for one in settings if not one.own]
    given = [1.0 if one.over_own is None else one.over_own.p_value or 0.0 for one in others]
    adjusted = dict(zip([one.subject for one in others], adjust(given), strict=True))
    return [one if one.over_own is None else _decided(one, one.over_own, adjusted[one.subject]) for one in settings]


def _decided(one: Setting, over: Difference, adjusted: float) -> Setting:
    return replace(one, p_adjusted=adjusted, against_own=_side(over, adjusted))


def _side(over: Difference, p: float) -> Against:
    apart = p <= ALPHA and (over.low > 0 or over.high < 0)
    return "inconclusive" if not apart else "higher" if over.estimate > 0 else "lower"


def _chosen_by_others(sweep: Sweep, points: Sequence[_Point]) -> bool:
    """Whether no sample has both scores, the one that settings are chosen by and the one they are judged by, and no
    cluster of samples.
    """
    having = []
    for (_, metric), evaluations in ((sweep.chosen_by, points[0].choosing), (sweep.judged_by, points[0].judging)):
        how = evaluations[0].metric(metric)
        samples = evaluations[0].samples
        whole = not isinstance(how, Mean)
        concerned = [one for one in samples if whole or how.of_sample(one.scores) is not None]
        having.append({one.cluster if one.cluster is not None else one.sample_id for one in concerned})
    return not having[0] & having[1]


def _conclusion(found: Swept, own: _Point, by_others: bool) -> str:
    """Which setting is chosen, and what it is worth."""
    spared = [one for one in found.settings if one.spared]
    best = next((one for one in found.settings if one.winner), None)
    if best is None:
        missing = [one for one in found.settings if not one.spared and not one.is_measured]
        if not missing:
            return "All settings were left unfinished, stopped early or diverged; none is chosen."
        return f"{len(missing)} of {len(found.settings)} settings are not measured by both; none is chosen."
    words = (
        f"{best.words} is chosen by {found.chosen_by} ({best.chosen_by:.3f}); its {found.judged_by} is "
        f"{best.score:.3f} ({best.low:.3f} to {best.high:.3f})"
    )
    if best.own:
        words += ", and it is what the recipe declares."
    elif best.over_own is None:
        words += f"; {own.subject.id} is not measured, so it is not known whether it is better than what is declared."
    else:
        over, how = best.over_own, best.against_own
        if by_others:  # so it is one comparison, not the best of many
            how = _side(over, over.p_value or 0.0)
        judged = "not told apart from" if how == "inconclusive" else f"{how} than"
        words += f", {judged} {own.subject.id} by that ({over.estimate:+.3f}, {over.low:+.3f} to {over.high:+.3f})"
        words += "." if by_others else "; both are scores of the same samples, so this is the best of many, after Holm."
    if spared:
        words += f" {len(spared)} of {len(found.settings)} settings were left unfinished, stopped early or diverged."
    if found.doubling is not None:
        gain, axis = found.doubling, next(iter(best.values))
        words += f" Twice the {axis} are worth {gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) at the slope of these."
    if found.optimism is not None:
        words += f" Picked by {found.judged_by} itself, the best of equal ones would look {found.optimism:.3f} better than it is."
    return words
