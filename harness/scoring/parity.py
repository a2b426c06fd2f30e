"""Do copies of a checkpoint answer as it does? One metric per form."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def copy_agreement(sample: Sample, output: Output) -> Scores:
    """Per form, on the samples of that form: `<form>_agreement`, the share of the checkpoint's own greedy tokens
    that are the copy's choice as well, and `<form>_divergence`, Kullback-Leibler, in nats a token."""
    form = sample.id.rsplit("@", 1)[1]
    scores: Scores = {}
    for other in output["forms"]:
        for what in ("agreement", "divergence"):
            scores[f"{other}_{what}"] = float(output[what]) if other == form else None
    return scores
