"""A checkpoint's own training record as scores."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def loss_change(sample: Sample, output: Output) -> Scores:
    """Loss per target token on one held-out row, in nats, before and after the last stage, and the change."""
    before, after = float(output["before"]), float(output["after"])
    return {
        "held_out_loss_before": before,
        "held_out_loss": after,
        "held_out_loss_change": after - before,
    }
