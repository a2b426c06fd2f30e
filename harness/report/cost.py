"""Content -> what each subject cost to train and to measure, and which subjects are unbeaten at their cost."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.report.content import CUSTOMARY, Checkpoint, Content, Evaluation, Metric, Subject
from harness.report.words import MISSING, arrow, count, duration, energy, listed, memory, number, plural, rate

MOST_PARETO = 4
QUALITIES = set(CUSTOMARY) - {"touched", "shared", "largest_activation"}  # what may be weighed against cost
LEAST_TRAINED = 3  # trained subjects that make a comparison of cost worth drawing


@dataclass(frozen=True)
class Cost:
    """Training over the whole lineage, measuring over all suites; None where nothing was recorded."""

    subject: str
    train_seconds: float | None
    train_tokens: int | None
    tokens_per_second: float | None
    train_memory_bytes: int | None
    train_joules: float | None
    test_seconds: float | None
    test_samples: int
    samples_per_second: float | None
    test_memory_bytes: int | None
    test_joules: float | None


@dataclass(frozen=True)
class Spared:
    """Samples that were not asked because the verdict came early."""

    subject: str
    suite: str
    samples: int
    available: int


@dataclass(frozen=True)
class AnswerCost:
    """What one answer took, by a subject of a suite in which some look things up."""

    suite: str
    subject: str
    tokens: float | None  # of prompt and answer
    seconds: float | None
    findable: int  # questions of which some passage tells
    found: int  # of those, the ones that had such a passage in front


@dataclass(frozen=True)
class Point:
    subject: str
    seconds: float
    metric: Metric
    best: bool  # none trained in less time scores as well


@dataclass(frozen=True)
class Pareto:
    suite: str
    metric: str
    lower: bool  # is better
    points: list[Point]  # cheapest first


def costs(content: Content) -> list[Cost]:
    """One entry per subject with any known cost."""
    found = [_cost(content, subject) for subject in content.subjects]
    return [cost for cost in found if cost.train_seconds or cost.test_seconds is not None]


def _cost(content: Content, subject: Subject) -> Cost:
    trained = _trained(subject)
    tested = [e for e in content.evaluations if e.subject == subject.name]
    seconds = _total(c.train_seconds for c in trained)
    tokens = _total(c.tokens for c in trained)
    timed = [e for e in tested if e.seconds is not None]
    test_seconds = _total(e.seconds for e in timed)
    return Cost(
        subject=subject.name,
        train_seconds=seconds,
        train_tokens=None if tokens is None else int(tokens),
        tokens_per_second=tokens / seconds if tokens and seconds else None,
        train_memory_bytes=max((c.peak_memory_bytes or 0 for c in trained), default=0) or None,
        train_joules=_total(c.energy_joules for c in trained),
        test_seconds=test_seconds,
        test_samples=sum(e.sample_count for e in tested),
        samples_per_second=sum(e.sample_count for e in timed) / test_seconds if test_seconds else None,
        test_memory_bytes=max((e.peak_memory_bytes or 0 for e in tested), default=0) or None,
        test_joules=_total(e.energy_joules for e in tested),
    )


def _trained(subject: Subject) -> list[Checkpoint]:
    """The stages that were trained; not published weights used as they are."""
    return [checkpoint for checkpoint in subject.lineage if checkpoint.optimizer_steps]


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part is unknown or there are no parts: a partial sum would mislead."""
    parts = list(values)
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def spared(content: Content) -> list[Spared]:
    """Evaluations that --adaptive ended before all samples were asked."""
    return [
        Spared(e.subject, e.suite, e.sample_count, e.samples_available)
        for e in sorted(content.evaluations, key=lambda e: (e.suite, e.subject))
        if e.sample_count < e.samples_available and e.sample_limit is None
    ]


def paretos(content: Content) -> list[Pareto]:
    """Quality against training time, for suites that measured at least three trained subjects."""
    found = []
    for suite in content.suites:
        metric = next((name for name in content.metric_names(suite) if name in QUALITIES), None)
        points = _points(content, suite, metric) if metric else []
        trained = {s.name for s in content.subjects if s.recipe not in ("base", "untrained") and _trained(s)}
        differ = len({point.metric.estimate for point in points}) > 1
        if metric and differ and sum(point.subject in trained for point in points) >= LEAST_TRAINED:
            found.append(Pareto(suite, metric, arrow(content, suite, metric) == "↓", points))
    return found[:MOST_PARETO]


def _points(content: Content, suite: str, metric: str) -> list[Point]:
    """The subjects by training time; published weights took none."""
    evaluations = content.of_suite(suite)
    measured = []
    for subject in content.subjects:
        one = evaluations[subject.name].metrics.get(metric) if subject.name in evaluations else None
        if one is not None and one.estimate is not None and math.isfinite(one.estimate) and subject.lineage:
            measured.append((sum(c.train_seconds or 0.0 for c in subject.lineage), subject.name, one))
    points = []
    lower = arrow(content, suite, metric) == "↓"
    for seconds, name, one in sorted(measured, key=lambda row: row[:2]):
        beaten = any(
            _as_good(other, one, lower) and (cost, other.estimate) != (seconds, one.estimate)
            for cost, _, other in measured
            if cost <= seconds
        )
        points.append(Point(name, seconds, one, not beaten))
    return points


def _as_good(one: Metric, other: Metric, lower: bool) -> bool:
    a, b = one.estimate or 0.0, other.estimate or 0.0
    return a <= b if lower else a >= b


def cost_table(content: Content) -> tuple[list[str], list[list[str]]]:
    """Column names and one row per subject; columns without any known value are left out."""
    columns: dict[str, Callable[[Cost], str]] = {
        "training": lambda c: duration(c.train_seconds),
        "tokens": lambda c: count(c.train_tokens),
        "tokens/s": lambda c: rate(c.tokens_per_second),
        "peak memory": lambda c: memory(c.train_memory_bytes),
        "energy": lambda c: energy(c.train_joules),
        "measuring": lambda c: duration(c.test_seconds),
        "samples": lambda c: count(c.test_samples),
        "samples/s": lambda c: rate(c.samples_per_second),
        "peak memory, measuring": lambda c: memory(c.test_memory_bytes),
        "energy, measuring": lambda c: energy(c.test_joules),
    }
    found = costs(content)
    shown = {name: [show(cost) for cost in found] for name, show in columns.items()}
    known = {name: cells for name, cells in shown.items() if set(cells) - {MISSING}}
    return list(known), [[cost.subject, *row] for cost, row in zip(found, zip(*known.values()), strict=True)]


def answer_costs(content: Content) -> list[AnswerCost]:
    """What an answer took in every suite that a subject with passages answered: its subjects, in their order."""
    found = []
    for suite in content.suites:
        evaluations = content.of_suite(suite)
        if any(one.looked_up for one in evaluations.values()):
            asked = [evaluations[subject.name] for subject in content.subjects if subject.name in evaluations]
            found += [_answer_cost(one) for one in asked]
    return found


def _answer_cost(one: Evaluation) -> AnswerCost:
    def each(total: float | None) -> float | None:
        return total / one.sample_count if total and one.sample_count else None

    return AnswerCost(one.suite, one.subject, each(one.tokens), each(one.seconds), one.findable, one.found)


def answer_table(content: Content) -> tuple[list[str], list[list[str]]]:
    """Column names and one row per suite and subject; no rows where nothing is looked up."""
    columns = ["suite", "tokens an answer", "seconds an answer", "right passage found"]
    rows = [
        [
            one.subject, one.suite, MISSING if one.tokens is None else f"{one.tokens:,.0f}",
            MISSING if one.seconds is None else number(one.seconds),
            f"{one.found:,} of {one.findable:,}" if one.findable else MISSING,
        ]
        for one in answer_costs(content)
    ]  # fmt: skip
    return columns, rows


def spared_line(content: Content) -> str:
    """A sentence on how many samples early verdicts saved; empty where every sample was asked."""
    rows = spared(content)
    left = sum(row.available - row.samples for row in rows)
    asked = sum(e.samples_available for e in content.evaluations)
    if not rows:
        return ""
    ended = plural(len(rows), "evaluation", "evaluations")
    return f"Early verdicts ended {ended} and spared {left:,} of {asked:,} samples."


def pareto_line(pareto: Pareto) -> str:
    """Which subjects are unbeaten, in one sentence."""
    best = [
        f"{point.subject} ({number(point.metric.estimate)}, {duration(point.seconds)})"
        for point in pareto.points
        if point.best
    ]
    metric = f"{pareto.metric}, lower is better" if pareto.lower else pareto.metric
    line = f"On {pareto.suite} ({metric}) {listed(best)} {'is' if len(best) == 1 else 'are'} unbeaten"
    if len(best) == len(pareto.points):
        return f"{line}: each longer training scored better."
    return f"{line}: every other subject scores no better than one that trained no longer."
