"""Multiple choice: what lm-eval scored, the gold log-probability, and what answers without knowledge score."""

from __future__ import annotations

from collections.abc import Sequence

from harness.suite import Output, Sample, Scores


def multiple_choice(sample: Sample, output: Output) -> Scores:
    """acc, acc_norm, acc_mutual_info as lm-eval defines them, and `gold_logprob`.

    gold_logprob is the right choice's log-likelihood after the question, in nats, summed over its tokens.
    """
    scores = {name: float(output[name]) for name in ("acc", "acc_norm", "acc_mutual_info") if name in output}
    return {**scores, "gold_logprob": float(output["loglikelihoods"][sample.target])}


def answer_floors(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """What needs no knowledge: uniform chance, always the longest answer, always the first one.

    Ties for the longest are shared equally. The same floors stand under acc, acc_norm and accuracy.
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
