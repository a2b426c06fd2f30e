"""What a checkpoint's training rows share with the items that it is measured on. No model is asked."""

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
    """Every item of every suite, `items` by suite, with the share of its word n-grams that occur in training rows.

    Each answer has `suite`, `suites` (all names) and `shared`. What a base from the hub was trained on is not
    known, and not looked for.
    """
    named = {f"{suite}: {sample.id}": (suite, sample) for suite, samples in items.items() for sample in samples}
    texts = {name: f"{sample.prompt} {sample.answer}" for name, (_, sample) in named.items()}
    shared = shared_ngrams(training_rows, texts, n)
    suites = sorted({suite for suite, _ in named.values()})
    found: list[tuple[Sample, dict[str, Any]]] = []
    for name, (suite, sample) in named.items():
        item = Sample(id=name, prompt=sample.prompt, target=sample.answer)
        found.append((item, {"suite": suite, "suites": suites, "shared": shared[name]}))
    return found
