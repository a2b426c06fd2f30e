"""Tone of answers: encyclopedic or conversational? A calibrated classifier of style, blind to topic and length."""

from harness import Generate, Mean, Sample, Suite
from harness.scoring import tone_of_answer
from recipes.datasets import TONE_PROMPTS


def to_sample(row: dict) -> Sample:
    # The tone of an answer depends on how the question is put: those put alike belong together.
    return Sample(id=row["id"], cluster=row["phrasing"], prompt=row["prompt"])


TONE = Suite(
    name="tone",
    dataset=TONE_PROMPTS,
    to_sample=to_sample,
    # Style shows at once: cut at 32 tokens the base scores 0.25, at 512 it scores 0.21 (docs/tone.md).
    asks=[Generate(max_new_tokens=512, small=32, mini=32)],
    scorer=tone_of_answer,
    metrics=[Mean("conversational", bounds=(0.0, 1.0)), Mean("words"), Mean("wordless")],
    about="Probability that an answer's style is conversational; lower is more encyclopedic.",
)


def test_tone(checkpoint, evaluate):
    evaluation = evaluate(TONE, checkpoint)
    assert evaluation.scored == len(TONE.dataset)
