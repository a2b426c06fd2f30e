"""Suite x checkpoint -> evaluation: what is asked, how answers become scores, and what is stored of both.

evaluation    an evaluation as a value
stored        the results in the store, read-only
asking/       what decides answers: samples as questions, and answers that need no model
scored/       what decides scores: the suite's scorer, metrics with their intervals, floors
"""

from harness.evaluation.evaluation import Checkpoint, Evaluation, ScoredSample
from harness.evaluation.stored import StoredResults

__all__ = ["Checkpoint", "Evaluation", "ScoredSample", "StoredResults"]
