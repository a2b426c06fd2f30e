"""Samples and answers -> each sample's scores, and the metrics over them."""

from __future__ import annotations

import json
import math
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from harness.errors import HarnessError, SuiteError
from harness.evaluation.evaluation import ScoredSample
from harness.files import Json
from harness.fingerprint.values import plain
from harness.scoring.metrics import metrics_of
from harness.suite import Output, Sample, Scores, Suite


def scored(suite: Suite, samples: Sequence[Sample], answers: Sequence[Output]) -> list[ScoredSample]:
    """Each sample with the scores of its answer; every number is finite, every id occurs once.

    Raises SuiteError with the name of a sample whose scorer fails, whose score is not a finite number, or whose id
    occurs twice.
    """
    rows: list[ScoredSample] = []
    seen: set[str] = set()
    for sample, answer in zip(samples, answers, strict=True):
        scores = _scores(suite, sample, answer)
        if sample.id in seen:
            raise SuiteError(
                f"suite {suite.name}: id {sample.id!r} occurs twice.", "Samples are paired by id; make it unique."
            )
        seen.add(sample.id)
        rows.append(_row(sample, answer, scores))
    return rows


def _row(sample: Sample, answer: Output, scores: Scores) -> ScoredSample:
    told = ("rendered_prompt", "prompt_tokens", "completion_tokens", "finish_reason", "found")
    return ScoredSample(
        sample_id=sample.id,
        cluster=sample.cluster,
        scores=scores,
        prompt=sample.prompt,
        target=sample.answer or None,
        completion=_completion(sample, answer),
        target_json=None if sample.target is None else _as_json(sample.target),
        passages=json.dumps(answer["passages"]) if "passages" in answer else None,
        **{name: answer.get(name) for name in told},
    )


def _as_json(target: Any) -> str:
    """The target as JSON; as a text where JSON has no form for it."""
    try:
        return json.dumps(target, default=str)
    except (TypeError, ValueError):
        return json.dumps(str(target))


def _scores(suite: Suite, sample: Sample, answer: Output) -> Scores:
    """What the suite's scorer returns, checked."""
    try:
        scores = suite.scorer(sample, answer)
    except HarnessError:
        raise
    except Exception as error:  # a scorer is the user's own code
        raise SuiteError(
            f"suite {suite.name}: sample {sample.id}: {_name(suite.scorer)} fails with {type(error).__name__}: {error}."
        ) from error
    if not isinstance(scores, Mapping):
        raise SuiteError(
            f"suite {suite.name}: sample {sample.id}: {_name(suite.scorer)} returns {type(scores).__name__}, not scores.",
            'Return a dict of numbers by name: {"accuracy": 1.0}.',
        )
    for name, score in scores.items():
        values = score if isinstance(score, list | tuple) else (score,)
        if score is not None and not all(_is_number(value) for value in values):
            raise SuiteError(
                f"suite {suite.name}: sample {sample.id}: score {name!r} is {score!r}.",
                "A score is a finite number, or None where it does not concern the sample: see the scorer.",
            )
    return dict(scores)


def _name(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(function.__name__)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _completion(sample: Sample, answer: Output) -> str | None:
    """The text that the model answered; for multiple choice, the choice that it prefers."""
    if "chosen" in answer and sample.choices:
        return sample.choices[answer["chosen"]]
    text = answer.get("completion")
    return None if text is None else str(text).encode("utf-8", "replace").decode()


def summary(suite: Suite, rows: Sequence[ScoredSample], everything: Sequence[Sample]) -> Json:
    """The part of an evaluation's record that is about scores: metrics with their intervals, and the suite's floors.

    `everything` is all samples of the suite; with --adaptive, `rows` may be only some of them.
    """
    scores: list[Mapping[str, Any]] = [row.scores for row in rows]
    metrics, clusters = metrics_of(suite.metrics, scores), [row.cluster for row in rows]
    intervals = {}
    for metric in metrics:
        interval = metric.interval(scores, clusters)
        intervals[metric.name] = {name: getattr(interval, name) for name in ("estimate", "low", "high", "n", "method")}
    sizes = Counter(sample.cluster for sample in everything if sample.cluster is not None)
    return {
        "samples": len(rows),
        "samples_available": len(everything),
        "finish_reasons": dict(Counter(row.finish_reason for row in rows if row.finish_reason)),
        "largest_cluster": max(sizes.values(), default=1),
        "metrics": intervals,
        "computed": plain(metrics),
        "floors": {metric: values for metric, values in floors_of(suite, everything).items() if metric in intervals},
        "about": suite.about,
    }


def floors_of(suite: Suite, samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """The suite's floors: metric -> floor -> value."""
    try:
        return suite.floors(samples) if suite.floors else {}
    except Exception as error:  # the user's own code
        raise SuiteError(f"suite {suite.name}: its floors fail with {type(error).__name__}: {error}.") from error
