"""What a checkpoint's training rows share with one evaluation item, as scores."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def overlap_with_training(sample: Sample, output: Output) -> Scores:
    """How much of an evaluation item occurs in the training rows. Reads `shared`, `suite` and `suites`.

    - `shared`: share of the item's word n-grams that occur in training rows, in [0, 1].
    - `touched`: 1.0 if any does, else 0.0.
    - one score for each name in `suites`: `touched` under the name of the item's own suite, None under the others. So
      each suite has a metric, the share of its items that are touched.
    """
    touched = float(output["shared"] > 0)
    by_suite = {name: touched if name == output["suite"] else None for name in output["suites"]}
    return {"shared": float(output["shared"]), "touched": touched, **by_suite}
