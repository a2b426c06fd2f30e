"""Outputs -> scores: small pure functions of a sample and what the model answered. No torch."""

from harness.scoring.choices import answer_floors, multiple_choice
from harness.scoring.likelihood import document_likelihood
from harness.scoring.metrics import Corpus, Mean, Ratio
from harness.scoring.overlap import likelihood_and_overlap, text_overlap
from harness.scoring.record import loss_change
from harness.scoring.service import fitness
from harness.scoring.style import tone_of_answer

__all__ = [
    "Corpus",
    "Mean",
    "Ratio",
    "answer_floors",
    "document_likelihood",
    "fitness",
    "likelihood_and_overlap",
    "loss_change",
    "multiple_choice",
    "text_overlap",
    "tone_of_answer",
]
