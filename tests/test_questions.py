"""Choices, key points, parity and contamination as scores."""

import pytest

from harness import Mean, Sample
from harness.data.overlap.ngrams import shared_ngrams
from harness.errors import StatisticsError, SuiteError
from harness.scoring import choice_accuracy, copy_agreement, key_points, overlap_with_training, right_choice


def test_the_right_choice_is_found_by_its_label():
    assert right_choice(["A", "B", "C"], " B ", "q1") == 1


@pytest.mark.parametrize(
    ("labels", "key", "found"), [(["A", "B"], "C", 0), (["A", "A"], "A", 2), (["A", "B"], "A,B", 0)]
)
def test_two_right_answers_or_none_are_refused(labels, key, found):
    with pytest.raises(SuiteError, match=rf"q1: the answer key .* names {found} of the choices"):
        right_choice(labels, key, "q1")


def test_accuracy_is_of_the_choice_that_was_likeliest_per_character():
    sample = Sample(id="q", choices=("yes", "no"), target=1)
    assert choice_accuracy(sample, {"chosen": 1, "loglikelihoods": [-1.0, -2.5]}) == {
        "accuracy": 1.0,
        "gold_logprob": -2.5,
    }
    assert choice_accuracy(sample, {"chosen": 0, "loglikelihoods": [-1.0, -2.5]})["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("answer", "coverage", "accuracy"),
    [
        ("The error rate grows, so correct with Bonferroni and decide beforehand.", 1.0, 1.0),
        ("Use Bonferroni; the error grows.", 2 / 3, 1.0),
        ("Use Bonferroni.", 1 / 3, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_two_thirds_of_the_key_points_make_an_answer_right(answer, coverage, accuracy):
    sample = Sample(id="q", target=["error", "bonferroni|holm", "before|in advance"])
    assert key_points(sample, {"completion": answer}) == {"coverage": pytest.approx(coverage), "accuracy": accuracy}


def test_each_copy_has_metrics_of_its_own():
    scores = copy_agreement(Sample(id="look-1@nf4"), {"agreement": 0.75, "divergence": 0.1, "forms": ["int8", "nf4"]})
    assert scores["nf4_agreement"] == 0.75
    assert scores["int8_agreement"] is None


def test_a_mean_is_over_the_samples_that_it_concerns():
    rows = [{"unseen": 1.0}, {"unseen": None}, {"unseen": 0.0}, {"unseen": 1.0}]
    interval = Mean("unseen").interval(rows, ["a", "b", "c", "c"])
    assert (interval.estimate, interval.n) == (pytest.approx(2 / 3), 3)
    difference = Mean("unseen").difference(rows, [{"unseen": 0.0}, {"unseen": None}, {"unseen": 0.0}, {"unseen": 1.0}])
    assert (difference.estimate, difference.n) == (pytest.approx(1 / 3), 3)


def test_a_mean_that_concerns_nothing_or_other_samples_is_an_error():
    with pytest.raises(StatisticsError, match="concerns none of the 2 samples"):
        Mean("unseen").interval([{"unseen": None}, {"unseen": None}])
    with pytest.raises(StatisticsError, match="does not concern the same samples"):
        Mean("unseen").difference([{"unseen": 1.0}, {"unseen": None}], [{"unseen": 1.0}, {"unseen": 1.0}])


def test_shared_ngrams_are_counted_by_words_whatever_case_and_punctuation():
    rows = [{"text": "The quick, brown fox jumps over the lazy dog today."}]
    items = {
        "whole": "the quick brown fox jumps over the lazy dog",
        "half": "quick brown fox jumps over the lazy dog sleeps",
        "short": "Lazy dog!",
        "absent": "nothing of that kind",
        "empty": "...",
    }
    shared = shared_ngrams(rows, items, n=8)
    assert shared == {"whole": 1.0, "half": 0.5, "short": 1.0, "absent": 0.0, "empty": 0.0}


def test_a_touched_item_counts_for_its_own_suite():
    scores = overlap_with_training(Sample(id="quiz: 1"), {"suite": "quiz", "suites": ["quiz", "tone"], "shared": 0.25})
    assert scores == {"shared": 0.25, "touched": 1.0, "quiz": 1.0, "tone": None}
