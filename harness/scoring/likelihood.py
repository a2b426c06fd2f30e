"""How likely a text is to a model: sums from which perplexity and bits per byte are made."""

from __future__ import annotations

import math

from harness.scoring.metrics import Ratio
from harness.suite import Output, Sample, Scores

LIKELIHOOD_METRICS = (
    Ratio("bits_per_byte", "bits", "bytes"),
    Ratio("perplexity", "nll", "tokens", form="exp"),
    Ratio("word_perplexity", "nll", "words", form="exp"),
)


def document_likelihood(sample: Sample, output: Output) -> Scores:
    """`nll` in nats and `bits`, summed over the text, with its tokens, words and bytes."""
    nll = float(output["nll"])
    return {
        "nll": nll,
        "bits": nll / math.log(2),
        "tokens": float(output["tokens"]),
        "words": float(output["words"]),
        "bytes": float(output["bytes"]),
    }
