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


def test_a_row_that_branches_is_no_wider_than_its_mask_allows(monkeypatch):
    from harness.models.prefixes import trie

    monkeypatch.setattr(trie, "WIDEST", 64)
    short = [Request("s", [1, 2, 3, i], [i]) for i in range(100)]
    rows = list(Trie(short).rows(width=16, budget=10_000))
    assert max(len(row.tokens) for row in rows) <= 64
    assert not any(row.prefix for row in rows), "three tokens are not worth a pass of their own"
    papers = [Request("p", [*[paper] * 40, i], [i]) for paper in (1, 2) for i in range(50)]
    rows = list(Trie(papers).rows(width=16, budget=10_000))
    assert {tuple(row.prefix) for row in rows} == {(1,) * 40, (2,) * 40}, "a paper is computed once, before its rows"
