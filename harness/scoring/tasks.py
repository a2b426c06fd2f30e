"""What lm-evaluation-harness scored on a task of its own."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def task_scores(sample: Sample, output: Output) -> Scores:
    """The task's own metrics, as it defines them."""
    return dict(output["scores"])
