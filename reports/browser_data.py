"""Samples -> the compact JSON that the page's sample browser reads, within a number of bytes.

Every text is stored once, in one list, and named by its place there: suites share prompts, subjects share
answers. Where all samples don't fit, long texts are shortened first; then each suite keeps the same share of its
draw, equal for every subject, so that what is won and lost stays representative. What is missing is told.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from reports.content import Content, Evaluation, Sample, Text
from reports.words import LOWER_IS_BETTER, visible

TEXT_LIMITS = (2_000, 800, 300)  # characters, tried in turn
SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02)  # of the largest draw


def browser_json(content: Content, most_bytes: int) -> str:
    """JSON for a <script> element: no character in it can end the element or start another."""
    for limit in TEXT_LIMITS:
        text = _encoded(content, limit, None)
        if len(text) <= most_bytes:
            return text
    largest = max((s.draw for e in content.evaluations for s in e.samples), default=0)
    for share in SHARES:
        text = _encoded(content, TEXT_LIMITS[-1], max(1, int(largest * share)))
        if len(text) <= most_bytes:
            break
    return text


def script_safe(value: Any) -> str:
    """Compact ASCII JSON without <, > and &, safe inside a <script> element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _encoded(content: Content, limit: int, most_draws: int | None) -> str:
    texts = Texts(limit, {}, [], {})
    suites = [_suite(content, suite, texts, most_draws) for suite in content.suites]
    suites = [suite for suite in suites if suite["samples"]]
    return script_safe({"suites": suites, "texts": texts.shown, "cut": texts.cut, "start": _start(content, suites)})


def _start(content: Content, suites: list[dict]) -> dict | None:
    """What the browser shows first: the first claim whose two sides both answered."""
    for gate in content.gates:
        for suite in suites:
            if suite["name"] == gate.suite and {gate.subject, gate.reference} <= suite["answers"].keys():
                sides = {"candidate": gate.subject, "baseline": gate.reference}
                return {"suite": gate.suite, "metric": gate.metric} | sides
    return None


@dataclass(frozen=True)
class Texts:
    """The list of distinct texts, filled as samples name them."""

    limit: int
    places: dict[tuple[str, int], int]
    shown: list[str]
    cut: dict[int, int]  # place -> characters of the whole text

    def place(self, text: Text | None) -> int:
        """Where the text stands in the list; -1 for none."""
        if text is None:
            return -1
        text = text.cut(self.limit)
        key = (text.shown, text.characters)
        if key not in self.places:
            self.places[key] = len(self.shown)
            self.shown.append(visible(text.shown))
            if text.is_cut:
                self.cut[self.places[key]] = text.characters
        return self.places[key]


def _suite(content: Content, suite: str, texts: Texts, most_draws: int | None) -> dict:
    evaluations = content.of_suite(suite)
    asked: dict[str, Sample] = {}
    for evaluation in evaluations.values():
        for sample in evaluation.samples:
            if most_draws is None or sample.draw <= most_draws:
                asked.setdefault(sample.sample_id, sample)
    metrics = sorted({name for e in evaluations.values() for s in e.samples for name in s.scores})
    return {
        "name": suite,
        "total": max((e.sample_count for e in evaluations.values()), default=0),
        "metrics": metrics,
        "lower": [name in LOWER_IS_BETTER for name in metrics],
        "samples": [[visible(key), texts.place(s.prompt), texts.place(s.target)] for key, s in asked.items()],
        "answers": {name: _answers(e, list(asked), metrics, texts) for name, e in evaluations.items()},
    }


def _answers(evaluation: Evaluation, asked: list[str], metrics: list[str], texts: Texts) -> list:
    """For each sample asked: [place of the answer, score, score, ...], or 0 where this subject has none."""
    by_id = {sample.sample_id: sample for sample in evaluation.samples}
    return [
        [texts.place(by_id[key].completion), *(_score(by_id[key].scores.get(name)) for name in metrics)]
        if key in by_id
        else 0
        for key in asked
    ]


def _score(value: float | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    value = float(f"{value:.4g}")
    return int(value) if value == int(value) else value
