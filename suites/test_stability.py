"""Fit to be served: finite weights and logits, sampling that works, no loops, no empty answers, in every dtype."""

from harness import Probe, Sample, Suite
from harness.scoring import fitness
from recipes.datasets import FIRST_LOOK_PROMPTS


def to_sample(row: dict) -> Sample:
    return Sample(id=row["id"], prompt=row["prompt"])


STABILITY = Suite(
    name="stability",
    dataset=FIRST_LOOK_PROMPTS,
    to_sample=to_sample,
    asks=[Probe(dtypes=("float32", "bfloat16", "float16"), max_new_tokens=32)],
    scorer=fitness,
    shows="stable",
    about="Sampled at temperature 1 in float32, bfloat16 and float16: finite numbers, an answer, no loop.",
)


def test_stability(checkpoint, evaluate):
    evaluation = evaluate(STABILITY, checkpoint)
    assert evaluation.scored == len(STABILITY.copies) * len(STABILITY.dataset)
