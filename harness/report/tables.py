"""Content arranged for showing: the first look by prompt, the matrix by suite, settings and lineage as rows."""

import json
from dataclasses import dataclass
from itertools import islice
from statistics import mean, stdev
from typing import Any
from urllib.parse import urlencode

from harness.claims import QUESTIONS, outlook, worst
from harness.report.content import (
    FIRST_LOOK,
    FIRST_LOOK_IMPROVED,
    Checkpoint,
    Content,
    Gate,
    Loud,
    Metric,
    Subject,
    Text,
)
from harness.report.words import commit_name, count, day, duration, energy, memory, plural, short

MOST_PROMPTS = 40  # of the first look


@dataclass(frozen=True)
class Answers:
    """One subject's answers to one prompt, None where it was not asked."""

    subject: str
    plain: Text | None
    improved: Text | None


@dataclass(frozen=True)
class FirstLook:
    """One prompt and what every subject answered under both system prompts."""

    sample_id: str
    prompt: Text | None
    answers: list[Answers]


@dataclass(frozen=True)
class MatrixRow:
    """One metric of one suite, a cell for every subject."""

    metric: str
    n: str
    cells: list[Metric | None]


def system_prompts(content: Content) -> tuple[str | None, str | None]:
    """The plain and the improved system prompt of the first look."""
    found = {e.suite: e.system_prompt for e in content.evaluations}
    return found.get(FIRST_LOOK), found.get(FIRST_LOOK_IMPROVED)


def first_look(content: Content) -> list[FirstLook]:
    """The first look's prompts in their order, at most MOST_PROMPTS; the sample browser has the others."""
    plain, improved = content.of_suite(FIRST_LOOK), content.of_suite(FIRST_LOOK_IMPROVED)
    prompts: dict[str, Text | None] = {}
    completions: dict[tuple[str, str, str], Text | None] = {}
    for kind, evaluations in (("plain", plain), ("improved", improved)):
        for name, evaluation in evaluations.items():
            for sample in evaluation.samples:
                prompts.setdefault(sample.sample_id, sample.prompt)
                completions[kind, name, sample.sample_id] = sample.completion
    subjects = [s.name for s in content.subjects if s.name in plain or s.name in improved]
    return [
        FirstLook(key, prompt, [
            Answers(name, completions.get(("plain", name, key)), completions.get(("improved", name, key)))
            for name in subjects
        ])
        for key, prompt in islice(prompts.items(), MOST_PROMPTS)
    ]  # fmt: skip


def matrix(content: Content) -> dict[str, list[MatrixRow]]:
    """Suite -> its metrics over all subjects; suites without metrics are left out."""
    rows = {
        suite: [_matrix_row(content, suite, metric) for metric in content.metric_names(suite)]
        for suite in content.suites
    }
    return {suite: metrics for suite, metrics in rows.items() if metrics}


def _matrix_row(content: Content, suite: str, metric: str) -> MatrixRow:
    evaluations = content.of_suite(suite)
    cells = [evaluations[s.name].metrics.get(metric) if s.name in evaluations else None for s in content.subjects]
    sizes = sorted({cell.n for cell in cells if cell is not None and cell.n is not None})
    counts = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}" if sizes else ""
    return MatrixRow(metric, counts, cells)


def without_recipe(subject: Subject) -> str:
    """What stands below the recipe's name: its variant, with the training seed and the setting where those differ."""
    return subject.name.removeprefix(f"{subject.recipe}-")


@dataclass(frozen=True)
class SeedRow:
    """One metric of one recipe over several training seeds."""

    recipe: str
    suite: str
    metric: str
    estimates: list[float]  # one for each seed
    mean: float
    seed_spread: float  # standard deviation between seeds
    sampling_error: float  # standard error within a seed, from its interval, averaged


def seeds(content: Content) -> list[SeedRow]:
    """The spread between training seeds beside the sampling error, for recipes trained with several seeds."""
    groups: dict[str, list[str]] = {}  # of one recipe, variant and setting
    for subject in content.subjects:
        name = f"{subject.recipe}-{subject.variant}"
        groups.setdefault(f"{name} with {subject.setting}" if subject.setting else name, []).append(subject.name)
    rows = []
    for suite in content.suites:
        evaluations = content.of_suite(suite)
        for metric in content.metric_names(suite):
            for name, members in groups.items():
                found = [
                    evaluations[m].metrics[metric]
                    for m in members
                    if m in evaluations and metric in evaluations[m].metrics
                ]
                measured = [
                    one for one in found if one.estimate is not None and one.low is not None and one.high is not None
                ]
                if len(measured) > 1:
                    rows.append(_seed_row(name, suite, metric, measured))
    return rows


def _seed_row(recipe: str, suite: str, metric: str, measured: list[Metric]) -> SeedRow:
    estimates = [one.estimate or 0.0 for one in measured]
    widths = [((one.high or 0.0) - (one.low or 0.0)) / (2 * 1.96) for one in measured]
    return SeedRow(recipe, suite, metric, estimates, mean(estimates), stdev(estimates), mean(widths))


@dataclass(frozen=True)
class TouchedRow:
    """How many of a suite's items share n-grams with training rows, and one of its metrics without those items."""

    subject: str
    suite: str
    touched: str  # "3 of 500"
    metric: str
    estimate: float
    without: float | None


def contamination(content: Content) -> list[TouchedRow]:
    """One row for each subject and suite whose items share n-grams with training, by the suite's first metric."""
    rows = []
    for suite in content.suites:
        for subject in content.subjects:
            found = {t.metric: t for t in content.touched if (t.subject, t.suite) == (subject.name, suite)}
            first = next((found[metric] for metric in content.metric_names(suite) if metric in found), None)
            if first is not None:
                touched = f"{first.touched:,} of {first.items:,}"
                rows.append(TouchedRow(subject.name, suite, touched, first.metric, first.estimate, first.without))
    return rows


def gates_by_metric(content: Content) -> dict[tuple[str, str, float], list[Gate]]:
    """Claims that share a unit and a threshold, for one forest plot each."""
    groups: dict[tuple[str, str, float], list[Gate]] = {}
    for gate in content.gates:
        groups.setdefault((gate.suite, gate.metric, gate.threshold or 0.0), []).append(gate)
    return groups


def baseline_line(content: Content, gate: Gate) -> str:
    """Where the baseline of a regression check comes from: 'baseline main: set 1 March 2026, commit 0123456789'."""
    for baseline in content.baselines:
        if (f"{gate.subject} at baseline {baseline.name}", gate.suite) == (gate.other, baseline.evaluation.suite):
            if baseline.evaluation.subject == gate.other:
                at = f", commit {commit_name(baseline.commit_id)}" if baseline.commit_id else ""
                return f"baseline {baseline.name}: set {day(baseline.set_at)}{at}"
    return ""


def unnamed_loudest(gate: Gate) -> list[Loud]:
    """The samples that speak most for a verdict and that its message does not name."""
    return [loud for loud in gate.loudest if loud.sample_id not in (gate.message or "")]


def sample_address(gate: Gate, sample_id: str) -> str:
    """The address at which the page's sample browser shows both sides' answers to one sample."""
    sides = {"candidate": gate.subject, "baseline": gate.other or ""}
    view = {"suite": gate.suite, **sides, "metric": gate.metric, "search": sample_id}
    return "#samples?" + urlencode(view)


def stages(subject: Subject) -> list[list[tuple[str, str]]]:
    """The stages as declared, each as flat rows of setting and value."""
    declared = subject.settings if isinstance(subject.settings, list) else [subject.settings]
    return [_flat(stage) if isinstance(stage, dict) else [("stage", _value(stage))] for stage in declared if stage]


def _flat(setting: dict, path: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in setting.items():
        where = f"{path}.{name}" if path else str(name)
        rows += _flat(value, where) if isinstance(value, dict) and value else [(where, _value(value))]
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def training_rows(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """What training one checkpoint took, measured."""
    c = checkpoint
    trained = bool(c.optimizer_steps)
    rows = [("parameters", f"{count(c.trainable_parameters)} trained of {count(c.total_parameters)}")]
    if c.training_rows is not None and trained:
        rows.append(("rows", f"{count(c.training_rows)}, {count(c.truncated_rows)} of them truncated"))
    if trained and len(c.rows_by_source) > 1:
        total = sum(c.rows_by_source.values())
        shares = (f"{source} {rows:,} ({100 * rows / total:.0f} %)" for source, rows in c.rows_by_source.items())
        rows.append(("by source", ", ".join(shares)))
    if trained:
        rows.append(("optimizer steps", count(c.optimizer_steps)))
        rows.append(("training time", f"{duration(c.train_seconds)} on {c.device or 'an unnamed device'}"))
    if trained and c.tokens and c.train_seconds:
        rows.append(("tokens", f"{count(c.tokens)}, {c.tokens / c.train_seconds:,.0f} a second"))
    if c.peak_memory_bytes:
        rows.append(("peak memory", memory(c.peak_memory_bytes)))
    if trained and c.energy_joules is not None:
        rows.append(("energy", energy(c.energy_joules)))
    return rows


def data_digests(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Every SHA-256 in the spec but the parent's own: where it stands, and its beginning."""
    found = [(where, value.removeprefix("sha256:")) for where, value in _leaves(checkpoint.spec)]
    return [
        (where, short(value))
        for where, value in found
        if len(value) == 64 and not set(value) - set("0123456789abcdef") and value != checkpoint.parent
    ]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [leaf for name, item in items for leaf in _leaves(item, f"{path}.{name}" if path else str(name))]


def cut_note(text: Text) -> str:
    """'shortened: 1,200 of 1,000,000 characters', or nothing for a whole text."""
    return (
        f"shortened: {len(text.shown):,} of {plural(text.characters, 'character', 'characters')}" if text.is_cut else ""
    )


@dataclass(frozen=True)
class Shipping:
    """Whether a subject can be shipped by its own claims, and how each question of QUESTIONS is answered."""

    subject: str
    outlook: str
    states: list[str]  # a verdict for each question, the worst of its claims; "unclaimed" where there is none


def shipping(content: Content) -> list[Shipping]:
    """One row for each subject of which claims are judged; undecided where not all that it claims are.

    None where older rows do not say which question a claim answers.
    """
    declared = {subject.name: subject.claims for subject in content.subjects}
    found = []
    for subject in dict.fromkeys(gate.subject for gate in content.gates):
        own = [gate for gate in content.gates if gate.subject == subject]
        if all(gate.line for gate in own):
            missing = [] if declared.get(subject) == len(own) else ["skipped"]
            states = [worst([gate.verdict for gate in own if gate.line == question]) for question in QUESTIONS]
            found.append(Shipping(subject, outlook([gate.verdict for gate in own] + missing), states))
    return found
