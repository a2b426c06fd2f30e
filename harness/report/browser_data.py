"""Samples -> the packed data that the page's sample browser reads, within a number of bytes.

Every text is stored once, in one list, and named by its place there: suites share prompts, subjects share
answers. Where all samples don't fit, long texts are shortened first. Then each suite keeps the first samples of its
random draw, the same ones for every subject, so that wins and losses stay representative. The page says what is missing.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from harness.report.content import Content, Evaluation, Gate, Sample, Text
from harness.report.letters import Packed, coded, packed
from harness.report.words import NEITHER_IS_BETTER, arrow, visible

TEXT_LIMITS = (1_200, 800, 600, 500, 400, 300)  # characters, the longest that should fit is tried first
HOPELESS = 1.1  # a layout that its characters put this far above the limit is not tried
CLOSE = 0.97  # share of the estimated number of samples that is tried


@dataclass(frozen=True)
class Browsable:
    """What the page's sample browser holds."""

    head: Packed  # JSON: suites, scores, words
    texts: Packed  # codes of words
    answers: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # suite -> subject -> sample ids

    @property
    def size(self) -> int:
        return len(self.head.letters) + len(self.texts.letters)

    def shows(self, gate: Gate, sample_id: str) -> bool:
        """Whether both sides of a claim can be read there."""
        sides = self.answers.get(gate.suite, {})
        return all(sample_id in sides.get(side or "", ()) for side in (gate.subject, gate.other))


def browsable(content: Content, most_bytes: int) -> Browsable:
    """The samples that fit, packed; at least the first ones of the draw."""
    evaluations = [*content.evaluations, *(baseline.evaluation for baseline in content.baselines)]
    samples = [sample for evaluation in evaluations for sample in evaluation.samples]
    lengths = [len(t.shown) for s in samples for t in (s.prompt, s.target, s.completion) if t]
    longest = max(lengths, default=0)
    draws = max((sample.draw for sample in samples), default=0)
    made = _packed(content, longest, draws)
    for limit in TEXT_LIMITS:
        if made.size <= most_bytes:
            break
        kept = sum(min(length, limit) for length in lengths) / sum(min(length, longest) for length in lengths)
        if limit < longest and (made.size * kept <= most_bytes * HOPELESS or limit == TEXT_LIMITS[-1]):
            longest = limit
            made = _packed(content, longest, draws)
    while made.size > most_bytes and draws > 1:
        draws = max(1, int(draws * CLOSE * most_bytes / made.size))
        made = _packed(content, longest, draws)
    return made


def _packed(content: Content, limit: int, most_draws: int) -> Browsable:
    texts = Texts(limit)
    answers: dict[str, dict[str, set[str]]] = {}
    suites = []
    for suite in content.suites:
        evaluations = _sides(content, suite)
        asked = _asked(evaluations, most_draws)
        if asked:
            suites.append(_suite(content, suite, evaluations, asked, texts))
            answers[suite] = {
                name: {s.sample_id for s in e.samples if s.sample_id in asked} for name, e in evaluations.items()
            }
    words, codes = coded(texts.shown)
    head = {
        "suites": suites,
        "words": words,
        "cut": [_steps(list(texts.cut)), list(texts.cut.values())],
        "start": _start(content, answers),
    }
    return Browsable(packed(json.dumps(head, separators=(",", ":"), allow_nan=False).encode()), packed(codes), answers)


def _sides(content: Content, suite: str) -> dict[str, Evaluation]:
    """Names whose answers can be compared: subjects, then baselines whose evaluations differ from theirs."""
    subjects = content.of_suite(suite)
    shown = {evaluation.evaluation for evaluation in subjects.values()}
    blessed = [b.evaluation for b in content.baselines if b.evaluation.suite == suite]
    return subjects | {e.subject: e for e in blessed if e.evaluation not in shown}


def _asked(evaluations: dict[str, Evaluation], most_draws: int) -> dict[str, Sample]:
    """Every sample id of the suite, as the first subject that answered it was asked."""
    asked: dict[str, Sample] = {}
    for evaluation in evaluations.values():
        for sample in evaluation.samples:
            if sample.draw <= most_draws:
                asked.setdefault(sample.sample_id, sample)
    return asked


def _start(content: Content, answers: dict[str, dict[str, set[str]]]) -> dict | None:
    """What the browser shows first: the first claim whose two sides both answered."""
    for gate in content.gates:
        if {gate.subject, gate.other} <= answers.get(gate.suite, {}).keys():
            return {"suite": gate.suite, "metric": gate.metric, "candidate": gate.subject, "baseline": gate.other}
    return None


@dataclass
class Texts:
    """The list of distinct texts, filled as samples name them."""

    limit: int
    places: dict[tuple[str, int], int] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    cut: dict[int, int] = field(default_factory=dict)  # place -> characters of the whole text

    def place(self, text: Text | None) -> int:
        """The place of the text in the list; -1 for no text."""
        if text is None:
            return -1
        shown = text.shown[: self.limit]
        key = (shown, text.characters)
        if key not in self.places:
            self.places[key] = len(self.shown)
            self.shown.append(visible(shown))
            if len(shown) < text.characters:
                self.cut[self.places[key]] = text.characters
        return self.places[key]


def _suite(
    content: Content, suite: str, evaluations: dict[str, Evaluation], asked: dict[str, Sample], texts: Texts
) -> dict:
    """One suite in columns; the texts that belong to one sample come together, where they are alike most."""
    by_id = {name: {s.sample_id: s for s in e.samples} for name, e in evaluations.items()}
    scored = {name for e in evaluations.values() for s in e.samples for name in s.scores}
    better = {name: arrow(content, suite, name) for name in scored}
    neither = {name for name in scored if name in NEITHER_IS_BETTER and not better[name]}
    metrics = sorted(scored, key=lambda name: (name in neither, name))
    prompts, targets = [], []
    places: dict[str, list[int]] = {name: [] for name in evaluations}
    for key, sample in asked.items():
        prompts.append(texts.place(sample.prompt))
        targets.append(texts.place(sample.target))
        for name, samples in by_id.items():
            places[name].append(texts.place(samples[key].completion) if key in samples else -2)
    return {
        "name": suite,
        "total": max((e.sample_count for e in evaluations.values()), default=0),
        "metrics": metrics,
        "lower": [None if name in neither else better[name] == "↓" for name in metrics],
        "ids": [visible(key) for key in asked],
        "prompts": _steps(prompts),
        "targets": _steps(targets),
        "answers": {name: _steps(column) for name, column in places.items()},
        "scores": {name: [_scores(samples, asked, m) for m in metrics] for name, samples in by_id.items()},
    }


def _steps(places: list[int]) -> list[int]:
    """Differences between neighbouring numbers: mostly equal, so they compress well."""
    return [place - before for before, place in zip([0, *places], places, strict=False)]


def _scores(samples: dict[str, Sample], asked: dict[str, Any], metric: str) -> list[float | int | None]:
    return [_score(samples[key].scores.get(metric)) if key in samples else None for key in asked]


def _score(value: float | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    value = float(f"{value:.4g}")
    return int(value) if value == int(value) else value
