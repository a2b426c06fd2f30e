"""How likely a text is to a model: the sums from which perplexity and bits per byte are computed."""

from __future__ import annotations

import math

from harness.scoring.metrics import Ratio
from harness.suite import Output, Sample, Scores

LIKELIHOOD_METRICS = (
    Ratio("bits_per_byte", "bits", "bytes", better="lower"),
    Ratio("perplexity", "nll", "tokens", form="exp", better="lower"),
    Ratio("word_perplexity", "nll", "words", form="exp", better="lower"),
)


def document_likelihood(sample: Sample, output: Output) -> Scores:
    """A text's negative log-likelihood, and what it can be divided by. Reads `nll`, `tokens`, `words` and `bytes`.

    - `nll` in nats and `bits` = nll / ln 2, both summed over the text's tokens; at least 0.
    - `tokens`, `words`, `bytes`: the length of the text in each unit.

    LIKELIHOOD_METRICS sums these over all texts before it divides, so that a long text weighs more than a short one.
    """
    nll = float(output["nll"])
    return {
        "nll": nll,
        "bits": nll / math.log(2),
        "tokens": float(output["tokens"]),
        "words": float(output["words"]),
        "bytes": float(output["bytes"]),
    }
