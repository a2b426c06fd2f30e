"""What a checkpoint's own training recorded, as scores."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores


def loss_change(sample: Sample, output: Output) -> Scores:
    """The loss on one held-out row before and after the last stage of training. Reads `before` and `after`.

    All three in nats per target token: `held_out_loss_before`, `held_out_loss` (after), and `held_out_loss_change`,
    after - before, which is negative where training lowered the loss.
    """
    before, after = float(output["before"]), float(output["after"])
    return {
        "held_out_loss_before": before,
        "held_out_loss": after,
        "held_out_loss_change": after - before,
    }
