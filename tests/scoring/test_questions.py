"""Open questions by their key points; copies of a model and touched items as scores of their own."""

import pytest

from harness import Sample
from harness.scoring import copy_agreement, key_points, overlap_with_training


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


def test_a_touched_item_counts_for_its_own_suite():
    scores = overlap_with_training(Sample(id="quiz: 1"), {"suite": "quiz", "suites": ["quiz", "tone"], "shared": 0.25})
    assert scores == {"shared": 0.25, "touched": 1.0, "quiz": 1.0, "tone": None}
