"""Training rows beside evaluation items: whole items are an error, shared words are counted."""

import pytest

from harness.data.overlap.ngrams import check_contained, shared_ngrams
from harness.errors import DataError

ITEM = {"quiz: q1": "A duck can paddle quickly across a pond thanks to webbed feet"}


def test_a_row_that_contains_a_whole_item_is_an_error_whatever_its_case_and_marks():
    row = {"text": "It is said: a DUCK can paddle, quickly, across a pond thanks to (webbed) feet!", "origin": "a:3"}
    with pytest.raises(DataError, match=r"wiki_only-mini: its rows contain .* a:3 contains quiz: q1"):
        check_contained([row], ITEM, "wiki_only-mini")


@pytest.mark.parametrize(
    "text",
    [
        "A duck can paddle quickly across a pond thanks to its flat bill",
        "A duck can paddle quickly across a pond thanks to webbed feetwear",
        "webbed feet",
    ],
)
def test_a_row_that_contains_less_than_a_whole_item_is_none(text):
    check_contained([{"text": text, "origin": "a:1"}], ITEM, "wiki_only-mini")


def test_items_of_fewer_than_eight_words_are_not_looked_for():
    check_contained([{"text": "The sky is blue", "origin": "a:1"}], {"quiz: q2": "the sky is blue"}, "x")


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
