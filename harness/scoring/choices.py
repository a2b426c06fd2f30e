"""Multiple choice: lm-eval's scores, the right choice's log-probability, and what is scored without any knowledge."""

from __future__ import annotations

from collections.abc import Sequence

from harness.suite import Output, Sample, Scores


def multiple_choice(sample: Sample, output: Output) -> Scores:
    """lm-eval's accuracies, and the log-probability of the right choice.

    Reads `loglikelihoods`, and those of `acc`, `acc_norm` and `acc_mutual_info` that were asked for.

    - `acc`, `acc_norm`, `acc_mutual_info`: 0.0 or 1.0, as lm-eval defines them.
    - `gold_logprob`: log-likelihood of the right choice after the question, in nats, summed over its tokens; at most 0.
    """
    scores = {name: float(output[name]) for name in ("acc", "acc_norm", "acc_mutual_info") if name in output}
    return {**scores, "gold_logprob": float(output["loglikelihoods"][sample.target])}


def answer_floors(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """The accuracy, in [0, 1], of three ways to answer that need no knowledge: metric -> floor -> value.

    `chance` draws a choice at random, `longest_answer` takes that with the most characters, `first_answer` the first.
    If the right choice is one of k equally long ones, `longest_answer` gets 1 / k for it. The floors are the same for
    `acc`, `acc_norm` and `accuracy`.
    """
    n = len(samples)
    longest = 0.0
    for sample in samples:
        lengths = [len(choice) for choice in sample.choices]
        if lengths[sample.target] == max(lengths):
            longest += 1 / lengths.count(max(lengths))
    floors = {
        "chance": sum(1 / len(sample.choices) for sample in samples) / n,
        "longest_answer": longest / n,
        "first_answer": sum(sample.target == 0 for sample in samples) / n,
    }
    return {"acc": floors, "acc_norm": floors, "accuracy": floors}
