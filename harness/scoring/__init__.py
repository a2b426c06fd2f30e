"""Outputs -> scores: small pure functions of a sample and what the model answered. No torch.

Each scorer's docstring names the keys of `output` that it reads, and its scores with their ranges or units. A score of
None says that it does not apply to the sample; metrics leave such samples out.
"""

from harness.scoring.choices import answer_floors, multiple_choice
from harness.scoring.contamination import overlap_with_training
from harness.scoring.likelihood import document_likelihood
from harness.scoring.metrics import Corpus, Mean, Ratio
from harness.scoring.overlap import likelihood_and_overlap, text_overlap
from harness.scoring.parity import copy_agreement
from harness.scoring.questions import choice_accuracy, key_points, right_choice
from harness.scoring.recall import fact_recall
from harness.scoring.record import loss_change
from harness.scoring.service import fitness
from harness.scoring.style import tone_of_answer
from harness.scoring.tasks import task_scores

__all__ = [
    "Corpus",
    "Mean",
    "Ratio",
    "answer_floors",
    "choice_accuracy",
    "copy_agreement",
    "document_likelihood",
    "fact_recall",
    "fitness",
    "key_points",
    "likelihood_and_overlap",
    "loss_change",
    "multiple_choice",
    "overlap_with_training",
    "right_choice",
    "task_scores",
    "text_overlap",
    "tone_of_answer",
]
