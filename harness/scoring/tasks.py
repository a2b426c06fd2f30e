"""What lm-evaluation-harness scored on one of its own tasks."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def task_scores(sample: Sample, output: Output) -> Scores:
    """The task's own metrics, with the names and ranges that the task gives them. Reads `scores`."""
    return dict(output["scores"])
