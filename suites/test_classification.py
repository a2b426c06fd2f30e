"""Statistics questions with four choices: which test, which design, which error?

Every score stands beside its floors: uniform chance, the longest answer, the first answer, and the untrained
model of the same architecture.
"""

from harness import Choices, Guard, Mean, Sample, Suite
from harness.scoring import answer_floors, choice_accuracy, right_choice
from recipes.datasets import STATISTICS_CHOICES


def to_sample(row: dict) -> Sample:
    return Sample(
        id=row["id"],
        prompt=row["question"],
        choices=row["choices"]["text"],
        target=right_choice(row["choices"]["label"], row["answerKey"], row["id"]),
    )


CLASSIFICATION = Suite(
    name="classification",
    dataset=STATISTICS_CHOICES,
    to_sample=to_sample,
    asks=[Choices()],
    scorer=choice_accuracy,
    metrics=[Mean("accuracy", (0.0, 1.0)), Mean("gold_logprob")],
    floors=answer_floors,
    guards=[Guard("accuracy", may_fall=0.05)],
    about="Four-choice statistics questions; the choice with the highest log-likelihood per character counts.",
)


def test_classification(checkpoint, evaluate):
    evaluation = evaluate(CLASSIFICATION, checkpoint)
    assert evaluation.scored == len(CLASSIFICATION.dataset)
