"""Does the training text contain what is asked later? Shared n-grams between a recipe's rows and every suite's items."""

from harness import Overlap, Suite
from harness.scoring import overlap_with_training

CONTAMINATION = Suite(
    name="contamination",
    asks=[Overlap(n=8)],
    scorer=overlap_with_training,
    shows="clean",
    about="Share of every suite's items that have eight words in a row in common with the rows of some training stage.",
)


def test_contamination(checkpoint, evaluate):
    evaluation = evaluate(CONTAMINATION, checkpoint)
    assert evaluation.scored > 0
