"""What a checkpoint's training rows share with the items that it is measured on. No model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.bench import Bench
from harness.data.overlap import shared_ngrams
from harness.data.reading import load
from harness.recipe import Subject
from harness.suite import Overlap, Sample, Suite, samples_of


def shared_with_items(bench: Bench, subject: Subject, suite: Suite) -> list[tuple[Sample, dict[str, Any]]]:
    """Every item of every suite, with the share of its n-grams that occur in the rows of some training stage.

    Each answer has `suite`, `suites` (all names) and `shared`. What a base from the hub was trained on is not
    known, and not looked for.
    """
    ask = next(ask for ask in suite.asks if isinstance(ask, Overlap))
    items: dict[str, tuple[str, Sample]] = {}
    for other in measured_suites(bench.suites):
        rows = bench.suite_data(other).rows
        items |= {f"{other.name}: {sample.id}": (other.name, sample) for sample in samples_of(other, rows)}
    texts = {name: f"{sample.prompt} {sample.answer}" for name, (_, sample) in items.items()}
    shared = shared_ngrams(_training_rows(bench, subject), texts, ask.n)
    names = sorted({name for name, _ in items.values()})
    return [
        (
            Sample(id=name, prompt=sample.prompt, target=sample.answer),
            {"suite": of, "suites": names, "shared": shared[name]},
        )
        for name, (of, sample) in items.items()
    ]


def measured_suites(suites: dict[str, Suite]) -> list[Suite]:
    """The suites that have items of their own."""
    return [suite for suite in suites.values() if suite.dataset is not None]


def _training_rows(bench: Bench, subject: Subject) -> Iterator[dict[str, Any]]:
    for planned in bench.planner.chain(subject):
        if planned.trains and planned.stage is not None:
            yield from load(planned.stage.data, replace(bench.access, scale=planned.subject.scale)).rows
