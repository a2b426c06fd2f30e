"""New facts, before and after: are they known in unseen words, are their neighbours unharmed, are invented ones declined?

The base beside each recipe is the measurement before, the recipe's checkpoint the one after.
"""

from dataclasses import replace

import pytest

from harness import Generate, Guard, Mean, Sample, Suite
from harness.scoring import fact_recall
from recipes.datasets import EVENT_QUESTIONS, SOFTWARE_DEFECT_QUESTIONS

SHARE = (0.0, 1.0)


def to_sample(row: dict) -> Sample:
    target = {name: row.get(name) for name in ("kind", "terms", "code", "value", "asserts")}
    return Sample(id=row["id"], cluster=row["item"], prompt=row["question"], target=target)


RECALL = Suite(
    name="recall",
    dataset=SOFTWARE_DEFECT_QUESTIONS,
    to_sample=to_sample,
    asks=[Generate(max_new_tokens=256, small=96, mini=96)],
    scorer=fact_recall,
    metrics=[
        Mean("unseen", SHARE, better="higher"),
        Mean("verbatim", SHARE, better="higher"),
        Mean("reversed", SHARE, better="higher"),
        Mean("exact", SHARE, better="higher"),
        Mean("neighbour", SHARE, better="higher"),
        Mean("hallucinated", SHARE, better="lower"),
    ],
    shows={"unseen": "learnt", "neighbour": "kept", "hallucinated": "invented"},
    guards=[Guard("unseen", may_fall=0.1), Guard("hallucinated", may_rise=0.1)],
    about="Service defects: share of the key terms, codes and values said; invented codes that get a confident fix.",
)

RECALL_EVENTS = replace(
    RECALL,
    name="recall_events",
    dataset=EVENT_QUESTIONS,
    about="Events of an invented city: share of the key terms and values said; invented events that are confirmed.",
)


@pytest.mark.parametrize("suite", [RECALL, RECALL_EVENTS], ids=["defects", "events"])
def test_recall(checkpoint, evaluate, suite):
    evaluation = evaluate(suite, checkpoint)
    assert evaluation.scored == len(suite.dataset)
