"""A first look: the same 20 questions under a plain and under an improved system prompt."""

from dataclasses import replace

import pytest

from harness import Generate, Mean, Sample, Suite
from harness.scoring import tone_of_answer
from recipes.datasets import FIRST_LOOK_PROMPTS


def to_sample(row: dict) -> Sample:
    return Sample(id=row["id"], prompt=row["prompt"])


PLAIN = Suite(
    name="first_look",
    dataset=FIRST_LOOK_PROMPTS,
    to_sample=to_sample,
    asks=[Generate(max_new_tokens=256, small=48, mini=48)],
    system_prompt="You are a helpful assistant.",
    scorer=tone_of_answer,
    metrics=[Mean("conversational", bounds=(0.0, 1.0)), Mean("words"), Mean("wordless")],
    about="Twenty questions under a plain system prompt.",
)

IMPROVED = replace(
    PLAIN,
    name="first_look_improved",
    system_prompt=(
        "You are an encyclopedia. Answer in complete, factual sentences in the third person. "
        "Do not greet, ask questions or speak of yourself. If something is not known, say so."
    ),
    about="The same questions under an improved system prompt.",
)


@pytest.mark.parametrize("suite", [PLAIN, IMPROVED], ids=["plain", "improved"])
def test_first_look(checkpoint, evaluate, suite):
    evaluation = evaluate(suite, checkpoint)
    assert evaluation.scored == len(suite.dataset)
