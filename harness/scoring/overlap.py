"""An answer against its reference: ROUGE (rouge-score), BLEU and chrF (sacrebleu)."""

from __future__ import annotations

from functools import cache
from typing import Any

from harness.scoring.likelihood import document_likelihood
from harness.scoring.metrics import Corpus, Mean
from harness.suite import Output, Sample, Scores

ROUGE = ("rouge1", "rouge2", "rougeL")
OVERLAP_METRICS = (*(Mean(name) for name in ROUGE), Corpus("bleu"), Corpus("chrf"))


def text_overlap(sample: Sample, output: Output) -> Scores:
    """ROUGE-1/2/L F-measures in [0, 1], and the counts from which corpus BLEU and chrF are computed."""
    answer = str(output["completion"])
    rouge = _rouge().score(sample.answer, answer)
    return {
        **{name: float(rouge[name].fmeasure) for name in ROUGE},
        "bleu_counts": Corpus("bleu").counts(answer, sample.answer),
        "chrf_counts": Corpus("chrf").counts(answer, sample.answer),
    }


def likelihood_and_overlap(sample: Sample, output: Output) -> Scores:
    """How likely the reference is, and how near to it the model's own answer comes."""
    return {**document_likelihood(sample, output), **text_overlap(sample, output)}


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGE), use_stemmer=True)
