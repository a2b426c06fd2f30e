"""Suite x checkpoint -> evaluation: what is asked, how answers become scores, and what is stored of both.

evaluation    the stored value
stored        all that a session's store holds, read-only
asking/       what decides answers: samples as questions, and answers that need no model
scored/       what decides scores: the suite's scorer applied, metrics with their intervals, floors
"""

from harness.evaluation.evaluation import Checkpoint, Evaluation, ScoredSample
from harness.evaluation.stored import StoredResults

__all__ = ["Checkpoint", "Evaluation", "ScoredSample", "StoredResults"]
