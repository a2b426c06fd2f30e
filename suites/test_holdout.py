"""Rows kept out of training: how likely they are, and how near the model's own answer comes to them.

Facts and passages stand for the experiments on general knowledge. Statistics questions, of which those on one paper are
held out together, stand for a domain of its own; of their long answers only the likelihood is measured.
"""

from dataclasses import replace

import pytest

from harness import Generate, Guard, Perplexity, Sample, Suite
from harness.scoring import document_likelihood, likelihood_and_overlap
from harness.scoring.likelihood import LIKELIHOOD_METRICS
from harness.scoring.overlap import OVERLAP_METRICS
from recipes.datasets import KNOWLEDGE_HELD_OUT, STATISTICS_HELD_OUT


def to_sample(row: dict) -> Sample:
    question, answer = row["messages"]
    return Sample(id=row["id"], prompt=question["content"], target=answer["content"])


HOLDOUT = Suite(
    name="holdout",
    dataset=KNOWLEDGE_HELD_OUT,
    to_sample=to_sample,
    asks=[Perplexity(chat=True), Generate(max_new_tokens=256, small=64, mini=64)],
    scorer=likelihood_and_overlap,
    metrics=[*LIKELIHOOD_METRICS, *OVERLAP_METRICS],
    guards=[Guard("bits_per_byte", may_rise=0.02), Guard("rougeL", may_fall=0.02)],
    about="Facts and passages that no recipe trained on: likelihood of the reference, overlap with the model's answer.",
)


def of_paper(row: dict) -> Sample:
    return replace(to_sample(row), cluster=row["group"])


HOLDOUT_STATISTICS = replace(
    HOLDOUT,
    name="holdout_statistics",
    dataset=STATISTICS_HELD_OUT,
    to_sample=of_paper,
    asks=[Perplexity(chat=True)],
    scorer=document_likelihood,
    metrics=LIKELIHOOD_METRICS,
    guards=[Guard("bits_per_byte", may_rise=0.02)],
    about="Statistics questions that no recipe trained on, nor on others of their papers: likelihood of the answer.",
    only_if_claimed=True,
)


@pytest.mark.parametrize("suite", [HOLDOUT, HOLDOUT_STATISTICS], ids=["knowledge", "statistics"])
def test_holdout(checkpoint, evaluate, suite):
    evaluation = evaluate(suite, checkpoint)
    assert evaluation.scored == len(suite.dataset)
