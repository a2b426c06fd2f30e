"""What training rows share with one evaluation item, as scores."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def overlap_with_training(sample: Sample, output: Output) -> Scores:
    """`shared`: share of the item's n-grams that occur in training; `touched`: 1.0 where any does.

    `touched` stands again under the name of the item's own suite, so that each suite has a metric of its own.
    """
    touched = float(output["shared"] > 0)
    own = {name: touched if name == output["suite"] else None for name in output["suites"]}
    return {"shared": float(output["shared"]), "touched": touched, **own}
