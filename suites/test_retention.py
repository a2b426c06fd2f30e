"""General text: training must not make it less likely. Small scale reads the test articles of WikiText."""

from harness import Guard, Perplexity, Sample, Suite
from harness.scoring import document_likelihood
from harness.scoring.likelihood import LIKELIHOOD_METRICS
from recipes.datasets import GENERAL_TEXT


def to_sample(row: dict) -> Sample:
    return Sample(id=row["id"], target=row["text"])


RETENTION = Suite(
    name="retention",
    dataset=GENERAL_TEXT.rows(500, small=300),
    to_sample=to_sample,
    asks=[Perplexity()],
    scorer=document_likelihood,
    metrics=LIKELIHOOD_METRICS,
    guards=[Guard("bits_per_byte", may_rise=0.02)],
    shows="kept",
    about="Perplexity on general text that no stage has seen.",
)


def test_retention(checkpoint, evaluate):
    evaluation = evaluate(RETENTION, checkpoint)
    assert evaluation.scored == len(RETENTION.dataset)
