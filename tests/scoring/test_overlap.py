"""ROUGE, BLEU and chrF against their own libraries."""

import math

import pytest

from harness import Sample
from harness.scoring import Corpus, likelihood_and_overlap, text_overlap
from harness.scoring.likelihood import LIKELIHOOD_METRICS
from harness.scoring.overlap import OVERLAP_METRICS

PAIRS = [  # answer, reference
    ("The Danube flows into the Black Sea.", "The Danube flows into the Black Sea near Romania."),
    ("Paris is the capital of France.", "The capital of France is Paris."),
    ("I do not know that.", "Bread is baked from flour, water and yeast."),
    ("", "Gold has the symbol Au."),
    ("A violin is played with a bow, a bow, a bow.", "A violin is played with a bow."),
    ("Mount Everest is 8,849 metres high.", "Mount Everest rises 8,849 metres above the sea."),
]


def overlap_scores(pairs):
    return [text_overlap(Sample(id=str(i), target=r), {"completion": a}) for i, (a, r) in enumerate(pairs)]


def test_rouge_is_that_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for (answer, reference), scores in zip(PAIRS, overlap_scores(PAIRS), strict=True):
        for name, expected in scorer.score(reference, answer).items():
            assert scores[name] == expected.fmeasure


def test_rouge_of_one_pair_by_hand():
    # answer: a b c d, reference: a c b; unigrams 3 of 4 and 3 of 3; bigrams none; longest common subsequence 2
    scores = overlap_scores([("alpha bravo cargo delta", "alpha cargo bravo")])[0]
    assert scores["rouge1"] == pytest.approx(2 * 0.75 * 1 / 1.75)
    assert scores["rouge2"] == 0
    assert scores["rougeL"] == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))


@pytest.mark.parametrize("chosen", [range(6), range(3), [5, 5, 1, 0]], ids=["all", "some", "repeated"])
def test_bleu_and_chrf_of_samples_are_sacrebleus_of_the_corpus(chosen):
    import sacrebleu

    pairs = [PAIRS[i] for i in chosen]
    answers, references = [a for a, _ in pairs], [[r for _, r in pairs]]
    scores = overlap_scores(pairs)
    bleu, chrf = (Corpus(name).interval(scores).estimate for name in ("bleu", "chrf"))
    assert bleu == pytest.approx(sacrebleu.corpus_bleu(answers, references).score)
    assert chrf == pytest.approx(sacrebleu.corpus_chrf(answers, references).score)
    assert chrf > 20


def test_a_difference_of_bleu_is_the_difference_of_two_corpora():
    import sacrebleu

    references = [r for _, r in PAIRS]
    better = overlap_scores([(r, r) for r in references])
    interval = Corpus("bleu").difference(better, overlap_scores(PAIRS))
    assert interval.estimate == pytest.approx(100 - sacrebleu.corpus_bleu([a for a, _ in PAIRS], [references]).score)


def test_likelihood_and_overlap_gives_all_that_its_metrics_need():
    output = {"completion": "Hi.", "nll": 3.0, "tokens": 3, "words": 1, "bytes": 3}
    scores = [likelihood_and_overlap(Sample(id=str(i), target="Hi."), output) for i in range(3)]
    for metric in (*LIKELIHOOD_METRICS, *OVERLAP_METRICS):
        assert math.isfinite(metric.interval(scores).estimate), metric.name
