"""Questions with known right answers: multiple choice, and key points of a written answer."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import SuiteError
from harness.scoring.recall import normalized, says
from harness.suite import Output, Sample, Scores

ENOUGH = 2 / 3  # share of the key points that makes a written answer right; our choice


def right_choice(labels: Sequence[str], key: str, who: str) -> int:
    """The index of the choice whose label is the answer key. Raises SuiteError unless exactly one label is."""
    matches = [i for i, label in enumerate(labels) if label == str(key).strip()]
    if len(matches) != 1:
        raise SuiteError(
            f"{who}: the answer key {key!r} names {len(matches)} of the choices {', '.join(labels)}.",
            "A question has exactly one right answer.",
        )
    return matches[0]


def choice_accuracy(sample: Sample, output: Output) -> Scores:
    """Whether the model prefers the right choice. Reads `chosen` and `loglikelihoods`.

    - `accuracy`: 1.0 if the right choice has the highest log-likelihood per character (as in acc_norm), else 0.0.
    - `gold_logprob`: log-likelihood of the right choice after the question, in nats, summed over its tokens; at most 0.
    """
    return {
        "accuracy": float(output["chosen"] == sample.target),
        "gold_logprob": float(output["loglikelihoods"][sample.target]),
    }


def key_points(sample: Sample, output: Output) -> Scores:
    """How many of the sample's key points a written answer makes. Reads `completion`.

    The target lists the key points, each "form|other form"; the answer makes one by saying any of its forms.

    - `coverage`: share of the key points made, in [0, 1].
    - `accuracy`: 1.0 if `coverage` is at least two thirds, else 0.0: 2 of 3 points are enough, 2 of 4 are not.
    """
    answer = normalized(str(output["completion"]))
    covered = sum(says(answer, point) for point in sample.target) / len(sample.target)
    return {"coverage": covered, "accuracy": float(covered >= ENOUGH - 1e-9)}  # 1e-9: for rounding
