"""Training itself: did it end, and did the loss on held-out rows fall?"""

from harness import Suite, TrainingRecord
from harness.scoring import loss_change

TRAINING = Suite(
    name="training",
    asks=[TrainingRecord()],
    scorer=loss_change,
    about="Loss per target token on held-out rows, in nats, before and after the last stage.",
)


def test_training(checkpoint, evaluate):
    record = checkpoint.artifact.record
    evaluation = evaluate(TRAINING, checkpoint)
    assert record["optimizer_steps"] > 0
    assert evaluation.scored > 0
