"""Evaluations that no store holds: samples and scores given, all else as an evaluation has it."""

from harness import Mean
from harness.evaluation import Evaluation, ScoredSample
from harness.fingerprint.values import plain


def scored(count=None, clusters=None, ids=None, **scores):
    """Samples of which the i-th has the i-th of each score."""
    count = count or len(next(iter(scores.values())))
    ids = ids or [f"s{i:02}" for i in range(count)]
    return [
        ScoredSample(ids[i], clusters[i] if clusters else None, {name: values[i] for name, values in scores.items()})
        for i in range(count)
    ]


def evaluation(samples, metrics=(), key="e", suite=None, rule=None, available=None, floors=None, **record):
    """An evaluation of the suite `tone` with these samples; with a rule, one that --adaptive could stop."""
    names = dict.fromkeys(name for sample in samples for name in sample.scores)
    computed = list(metrics) or [Mean(name) for name in names]
    rows = [sample.scores for sample in samples]
    return Evaluation(
        key=key,
        spec={"checkpoint": "c" * 64, "suite": {"name": "tone", **(suite or {})}, "adaptive": rule},
        record={
            "subject": "alpha-mini",
            "samples": len(samples),
            "samples_available": available or len(samples),
            "computed": plain(computed),
            "metrics": {one.name: {"estimate": one.estimate(rows), "n": len(rows)} for one in computed},
            "floors": floors or {},
            **record,
        },
        load=lambda: samples,
    )
