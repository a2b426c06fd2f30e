"""Training itself: did it end, and did the loss on held-out rows fall?"""

from harness import Mean, Suite, TrainingRecord
from harness.scoring import loss_change

TRAINING = Suite(
    name="training",
    asks=[TrainingRecord()],
    scorer=loss_change,
    metrics=[
        Mean("held_out_loss_before"),
        Mean("held_out_loss", better="lower"),
        Mean("held_out_loss_change", better="lower"),
    ],
    about="Loss per target token on held-out rows, in nats, before and after the last stage.",
)


def test_training(checkpoint, evaluate):
    record = checkpoint.artifact.record
    evaluation = evaluate(TRAINING, checkpoint)
    assert record["optimizer_steps"] > 0
    assert evaluation.scored > 0
