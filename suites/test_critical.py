"""A hundred critical questions on designing and reading experiments: does the answer cover the key points?"""

from harness import Generate, Guard, Mean, Sample, Suite
from harness.scoring import key_points
from recipes.datasets import CRITICAL_QUESTIONS


def to_sample(row: dict) -> Sample:
    return Sample(id=row["id"], prompt=row["question"], target=row["key_points"])


CRITICAL = Suite(
    name="critical",
    dataset=CRITICAL_QUESTIONS,
    to_sample=to_sample,
    asks=[Generate(max_new_tokens=512, small=128, mini=128)],
    scorer=key_points,
    metrics=[Mean("accuracy", (0.0, 1.0)), Mean("coverage", (0.0, 1.0))],
    guards=[Guard("coverage", may_fall=0.05)],
    about="Share of each answer's key points covered; an answer with two thirds of them counts as right.",
)


def test_critical(checkpoint, evaluate):
    evaluation = evaluate(CRITICAL, checkpoint)
    assert evaluation.scored == len(CRITICAL.dataset)
