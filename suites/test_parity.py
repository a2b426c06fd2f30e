"""Do the copies one would serve agree with the checkpoint: adapter merged, in bfloat16, in 8 bits, in 4 bits?"""

from harness import Mean, Parity, Sample, Suite
from harness.scoring import copy_agreement
from recipes.datasets import FIRST_LOOK_PROMPTS

FORMS = ("bfloat16", "int8", "nf4")


def to_sample(row: dict) -> Sample:
    return Sample(id=row["id"], prompt=row["prompt"])


PARITY = Suite(
    name="parity",
    dataset=FIRST_LOOK_PROMPTS,
    to_sample=to_sample,
    asks=[Parity(forms=FORMS)],
    scorer=copy_agreement,
    metrics=[
        *(Mean(f"{form}_agreement", (0.0, 1.0)) for form in FORMS),
        *(Mean(f"{form}_divergence") for form in FORMS),
    ],
    shows="stable",
    about="Share of the checkpoint's own greedy tokens that its bfloat16, int8 and NF4 copies would choose as well.",
)


def test_parity(checkpoint, evaluate):
    evaluation = evaluate(PARITY, checkpoint)
    assert evaluation.scored == len(PARITY.copies) * len(PARITY.dataset)
