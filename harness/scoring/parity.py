"""Do copies of a checkpoint answer as it does? Two metrics for each form of copy (bfloat16, int8, nf4)."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def copy_agreement(sample: Sample, output: Output) -> Scores:
    """How closely a copy follows the checkpoint. Reads `forms`, `agreement` and `divergence`.

    The sample's id ends in "@" and the form of its copy. For each form in `forms`:

    - `<form>_agreement`: share, in [0, 1], of the places in the checkpoint's own greedy completion at which the copy
      prefers the same next token.
    - `<form>_divergence`: mean Kullback-Leibler divergence between their next-token distributions, in nats; at least 0.

    Both are None for all forms but the sample's own.
    """
    form = sample.id.rsplit("@", 1)[1]
    scores: Scores = {}
    for other in output["forms"]:
        for what in ("agreement", "divergence"):
            scores[f"{other}_{what}"] = float(output[what]) if other == form else None
    return scores
