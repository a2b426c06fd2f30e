"""OpenBookQA through lm-evaluation-harness: elementary science, four choices (Mihaylov et al. 2018, arXiv:1809.02789).

Every score stands beside its floors: uniform chance, the longest answer, the first answer, and the untrained
model of the same architecture.
"""

from harness import Guard, LmEval, Mean, Sample, Suite
from harness.scoring import answer_floors, multiple_choice, right_choice
from recipes.datasets import QUIZ


def to_sample(row: dict) -> Sample:
    return Sample(
        id=row["id"],
        prompt=row["question_stem"],
        choices=row["choices"]["text"],
        target=right_choice(row["choices"]["label"], row["answerKey"], row["id"]),
    )


OPENBOOKQA = Suite(
    name="openbookqa",
    dataset=QUIZ,
    to_sample=to_sample,
    asks=[LmEval("openbookqa", metrics=("acc", "acc_norm", "acc_mutual_info"))],
    scorer=multiple_choice,
    metrics=[
        Mean("acc", (0.0, 1.0)),
        Mean("acc_norm", (0.0, 1.0)),
        Mean("acc_mutual_info", (0.0, 1.0)),
        Mean("gold_logprob"),
    ],
    floors=answer_floors,
    guards=[Guard("acc", may_fall=0.05), Guard("acc_norm", may_fall=0.05)],
    about="Four-choice science questions; acc_norm divides a choice's log-likelihood by its characters.",
)


def test_openbookqa(checkpoint, evaluate):
    evaluation = evaluate(OPENBOOKQA, checkpoint)
    assert evaluation.scored == len(OPENBOOKQA.dataset)
