"""Questions with known right answers: four choices, and key points of a written answer."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import SuiteError
from harness.scoring.recall import normalized, says
from harness.suite import Output, Sample, Scores

ENOUGH = 2 / 3  # of the key points make a written answer right; our choice


def right_choice(labels: Sequence[str], key: str, who: str) -> int:
    """The index of the one right choice; SuiteError where the key names none or the label stands twice."""
    found = [i for i, label in enumerate(labels) if label == str(key).strip()]
    if len(found) != 1:
        raise SuiteError(
            f"{who}: the answer key {key!r} names {len(found)} of the choices {', '.join(labels)}.",
            "A question has exactly one right answer.",
        )
    return found[0]


def choice_accuracy(sample: Sample, output: Output) -> Scores:
    """`accuracy`: 1.0 where the right choice has the highest log-likelihood per character (as acc_norm).

    `gold_logprob` is its log-likelihood after the question, in nats, summed over its tokens.
    """
    return {
        "accuracy": float(output["chosen"] == sample.target),
        "gold_logprob": float(output["loglikelihoods"][sample.target]),
    }


def key_points(sample: Sample, output: Output) -> Scores:
    """`coverage`: share of the key points (each "form|other form") that the answer touches; `accuracy`: 1.0
    where that is at least two thirds."""
    answer = normalized(str(output["completion"]))
    covered = sum(says(answer, point) for point in sample.target) / len(sample.target)
    return {"coverage": covered, "accuracy": float(covered >= ENOUGH - 1e-9)}
