"""Requests as rows in which every shared token stands once."""

import pytest

pytest.importorskip("numpy")

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.prefixes.trie import Request, Trie
from tests.likelihood_requests import some_requests


@settings(max_examples=200, deadline=None)
@given(requests=some_requests, width=st.integers(1, 40), budget=st.integers(1, 60))
def test_rows_hold_every_request_once_with_its_own_ancestors(requests, width, budget):
    trie = Trie(requests)
    seen = []
    for row in trie.rows(width, budget):
        for number, places in row.scored.items():
            seen.append(number)
            last = places[-1]
            ancestors = [i for i in range(last + 1) if row.ends[i] > last]
            path = [*row.prefix, *(row.tokens[i] for i in ancestors)]
            assert path == [*requests[number].context, *requests[number].target[:-1]]
            assert [row.depths[i] for i in ancestors] == list(range(len(row.prefix), len(path)))
            assert [row.depths[i] for i in places] == list(range(len(requests[number].context) - 1, len(path)))
    assert sorted(seen) == list(range(len(requests)))


def test_unique_tokens_are_counted_by_hand():
    requests = [Request("a", [1, 2, 3], [4, 5]), Request("b", [1, 2, 3], [4, 6]), Request("c", [1, 2], [9])]
    assert Trie(requests).unique_tokens == 4  # 1 2 3 4; the last token of a target is never computed


def test_a_row_that_branches_is_no_wider_than_it_may_be():
    short = [Request("s", [1, 2, 3, i], [i]) for i in range(100)]
    rows = list(Trie(short).rows(width=16, budget=10_000, widest=64))
    assert max(len(row.tokens) for row in rows) <= 64
    assert not any(row.prefix for row in rows), "three tokens are not worth a pass of their own"
    papers = [Request("p", [*[paper] * 40, i], [i]) for paper in (1, 2) for i in range(50)]
    rows = list(Trie(papers).rows(width=16, budget=10_000, widest=64))
    assert {tuple(row.prefix) for row in rows} == {(1,) * 40, (2,) * 40}, "a paper is computed once, before its rows"
    assert len(list(Trie(papers).rows(width=16, budget=10_000))) == 2, "without a bound a paper is a row"


def test_a_row_is_wider_where_its_requests_share_most_of_it():
    """A prefix in a cache ends before the first target token, so what long targets share is in no prefix."""
    near = [Request("n", [1], [*range(70), i, i]) for i in range(50)]
    rows = list(Trie(near).rows(width=16, budget=10_000, widest=64))
    assert sum(len(row.tokens) for row in rows) < 2 * Trie(near).unique_tokens


def test_without_a_bound_any_requests_fit_a_row_that_is_wide_enough():
    """As training asks: it doubles the width until one row holds all."""
    rows = [Request("t", [first], [first + j for j in range(9_000)]) for first in (1, 2)]
    assert [len(row.tokens) for row in Trie(rows).rows(width=20_000, budget=2**31)] == [18_000]
    same = [Request("t", [1], [*range(1_100), *[i] * 800]) for i in range(10)]
    assert not any(row.prefix for row in Trie(same).rows(width=64, budget=2**31)), "none that a caller might leave out"
