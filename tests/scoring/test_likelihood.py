"""Perplexity, bits per byte and the change of a loss, worked out by hand."""

import math

import pytest

from harness import Sample
from harness.scoring import document_likelihood, loss_change
from harness.scoring.likelihood import LIKELIHOOD_METRICS


def test_perplexity_and_bits_per_byte_are_ratios_of_sums():
    outputs = [  # 8 bits over 8 bytes, 4 tokens, 2 words; 24 bits over 8 bytes, 4 tokens, 2 words
        {"nll": 8 * math.log(2), "tokens": 4, "words": 2, "bytes": 8},
        {"nll": 24 * math.log(2), "tokens": 4, "words": 2, "bytes": 8},
    ] * 2
    scores = [document_likelihood(Sample(id="d"), output) for output in outputs]
    assert [row["bits"] for row in scores] == pytest.approx([8, 24, 8, 24])
    found = {metric.name: metric.interval(scores).estimate for metric in LIKELIHOOD_METRICS}
    assert found["bits_per_byte"] == pytest.approx(64 / 32)
    assert found["perplexity"] == pytest.approx(2 ** (64 / 16))
    assert found["word_perplexity"] == pytest.approx(2 ** (64 / 8))


def test_the_change_of_a_loss_is_after_less_before():
    assert loss_change(Sample(id="d"), {"before": 3.5, "after": 1.25}) == {
        "held_out_loss_before": 3.5,
        "held_out_loss": 1.25,
        "held_out_loss_change": -2.25,
    }
