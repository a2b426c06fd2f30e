"""How much of the items that a checkpoint is measured on occurs in its training rows. No model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.data.overlap.ngrams import shared_ngrams
from harness.data.sources import Row
from harness.files import Json
from harness.suite import Sample


def shared_with_items(
    training_rows: Iterable[Row], items: Mapping[str, list[Sample]], n: int
) -> list[tuple[Sample, Json]]:
    """A sample and its answer for every item of every suite; `items` holds the items by suite.

    Each answer has `shared`, the share of the item's word n-grams that occur in training rows, `suite`, the name of
    its suite, and `suites`, all names. What a base from the hub was trained on is not known, and so not included.
    """
    named = {f"{suite}: {sample.id}": (suite, sample) for suite, samples in items.items() for sample in samples}
    texts = {name: f"{sample.text} {sample.answer}" for name, (_, sample) in named.items()}
    shared = shared_ngrams(training_rows, texts, n)
    suites = sorted({suite for suite, _ in named.values()})
    answered: list[tuple[Sample, dict[str, Any]]] = []
    for name, (suite, sample) in named.items():
        item = Sample(id=name, prompt=sample.prompt, target=sample.answer)
        answered.append((item, {"suite": suite, "suites": suites, "shared": shared[name]}))
    return answered
