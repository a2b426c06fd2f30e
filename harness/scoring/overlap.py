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
    """How much of its reference an answer shares. Reads `completion`; the reference is the sample's `answer`.

    - `rouge1`, `rouge2`, `rougeL`: F-measures in [0, 1], on stemmed words.
    - `bleu_counts`, `chrf_counts`: lists of n-gram counts. `Corpus` sums them over samples into BLEU and chrF, in
      [0, 100]; neither is defined as a mean over samples.
    """
    answer = str(output["completion"])
    rouge = _rouge().score(sample.answer, answer)
    return {
        **{name: float(rouge[name].fmeasure) for name in ROUGE},
        "bleu_counts": Corpus("bleu").counts(answer, sample.answer),
        "chrf_counts": Corpus("chrf").counts(answer, sample.answer),
    }


def likelihood_and_overlap(sample: Sample, output: Output) -> Scores:
    """How likely the reference is to the model, and how near the model's own answer comes to it.

    Reads `nll`, `tokens`, `words`, `bytes` and `completion`. The scores of `document_likelihood` and `text_overlap`.
    """
    return {**document_likelihood(sample, output), **text_overlap(sample, output)}


@cache
def _rouge() -> Any:
    """The scorer, made once: with Porter's stemmer, so that "valves" matches "valve"."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGE), use_stemmer=True)
