"""Requests that share a prefix -> rows of tokens in which every shared token stands once.

Requests are sorted by their tokens. What each adds to the one before it, written one after the other, is then their
trie in preorder. Two integers per token describe its whole shape: its depth, and where its descendants end. For the
three sequences `a b c`, `a b d e` and `a f`:

    index      0  1  2  3  4  5
    token      a  b  c  d  e  f        9 tokens asked for, 6 computed
    depth      0  1  2  2  3  1        the position id
    end        6  5  3  5  5  6        token i is an ancestor of j (or j itself) where i <= j < end[i]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy

SHARED_AT_LEAST = 16  # tokens; a shorter common prefix is not worth a pass of its own


@dataclass(frozen=True)
class Request:
    """The log-likelihood of `target` after `context` is asked for; both are token ids, neither is empty."""

    name: str
    context: Sequence[int]
    target: Sequence[int]


@dataclass
class Row:
    """A trie in preorder: T tokens, each with its depth and the index one past its last descendant."""

    prefix: Sequence[int]  # the tokens before all of these, whose keys and values are in a cache
    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    scored: dict[int, list[int]] = field(
        default_factory=dict
    )  # request -> indexes of the tokens that predict its target's

    @property
    def is_sequence(self) -> bool:
        """Whether nothing branches: each token is an ancestor of all later ones."""
        return all(end == len(self.tokens) for end in self.ends)

    def from_the_start(self) -> Row:
        """The same sequence with its prefix as tokens of its own; only for one that does not branch."""
        known, tokens = len(self.prefix), [*self.prefix, *self.tokens]
        scored = {request: [known + place for place in places] for request, places in self.scored.items()}
        return Row([], tokens, list(range(len(tokens))), [len(tokens)] * len(tokens), scored)


class _Sizes(NamedTuple):
    """Tokens: of a row, of the requests that rows hold together, and of a row at most, as long as that saves work."""

    width: int
    budget: int
    widest: int


class Trie:
    """Requests sorted by their tokens, with the number of tokens that each shares with the one before it.

    The last token of a target is not part of the path: it is predicted, and predicts nothing that is asked for.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        paths = [[*request.context, *request.target[:-1]] for request in requests]
        self.order = sorted(range(len(requests)), key=paths.__getitem__)
        self.paths = [paths[i] for i in self.order]
        # A cached prefix gives no hidden states, so it must end before the token that predicts the target's first.
        self.reusable = [len(requests[i].context) - 1 for i in self.order]
        arrays = [numpy.asarray(path, dtype=numpy.int64) for path in self.paths]
        self.shared = [0] * len(arrays)  # with the one before
        for i in range(1, len(arrays)):
            length = min(len(arrays[i - 1]), len(arrays[i]))
            differs = arrays[i - 1][:length] != arrays[i][:length]
            first = int(differs.argmax()) if length else 0
            self.shared[i] = first if length and differs[first] else length

    @property
    def unique_tokens(self) -> int:
        """The fewest tokens that have to be computed."""
        return sum(map(len, self.paths)) - sum(self.shared)

    def rows(self, width: int, budget: int, widest: int | None = None) -> Iterator[Row]:
        """The requests as rows of about `width` tokens; wider where requests share much.

        Where the requests of a subtree hold more than `budget` tokens, their common prefix becomes the `prefix` of
        its rows: it is to be computed once, before them. With `widest`, so it does where they hold more than that and
        share an eighth of it, and no row is wider unless its requests share more than half of that.
        """
        yield from self._rows(0, len(self.paths), 0, _Sizes(width, budget, min(budget, widest or budget)))

    def _rows(self, low: int, high: int, cached: int, sizes: _Sizes) -> Iterator[Row]:
        """Rows of the requests low..high, whose first `cached` tokens are computed beforehand.

        A range that is too large for a row is split where its requests branch, right after their common prefix.
        Branches that are too large themselves are split again; those between them fill rows together.
        """
        tokens = self._tokens(low, high, cached)
        if tokens > sizes.widest and high - low > 1:
            common = min(min(self.shared[low + 1 : high]), min(self.reusable[low:high]))
            if common - cached >= (SHARED_AT_LEAST if tokens > sizes.budget else sizes.widest // 8):
                cached = common
            else:
                common = max(common, cached)
            small = low  # the first request since the last large branch
            starts = [low, *(i for i in range(low + 1, high) if self.shared[i] <= common), high]
            for start, end in zip(starts[:-1], starts[1:]):
                if (start, end) != (low, high) and self._tokens(start, end, cached) > sizes.widest:
                    yield from self._fill(small, start, cached, sizes)
                    yield from self._rows(start, end, cached, sizes)
                    small = end
            low = small
        yield from self._fill(low, high, cached, sizes)

    def _tokens(self, low: int, high: int, cached: int) -> int:
        """Tokens of the trie of requests low..high beyond the cached depth."""
        if low == high:
            return 0
        shared = sum(max(self.shared[i], cached) for i in range(low + 1, high)) + cached
        return sum(len(self.paths[i]) for i in range(low, high)) - shared

    def _fill(self, low: int, high: int, cached: int, sizes: _Sizes) -> Iterator[Row]:
        """Rows of the requests low..high, filled greedily.

        A row ends near its width, at the boundary where neighbours share least: what they share is computed twice.
        It grows beyond its width while they share more than a quarter of it, beyond the widest while they share more
        than half of that, but never beyond the budget.
        """
        width = sizes.width
        while low < high:
            size, best = len(self.paths[low]) - cached, 0  # best: the request before which the row had better end
            end = high
            for i in range(low + 1, high):
                added = len(self.paths[i]) - max(self.shared[i], cached)
                if size * 4 >= width * 3 or size + added > width:  # at least three quarters full
                    best = i if not best or self.shared[i] <= self.shared[best] else best
                if size + added > width and self._ends(size + added, self.shared[best] - cached, sizes):
                    end = best
                    break
                size += added
            yield self._row(low, end, cached)
            low = end

    @staticmethod
    def _ends(size: int, shared: int, sizes: _Sizes) -> bool:
        """Whether a row that would hold so many tokens ends where neighbours share so many."""
        if size > sizes.budget or shared <= sizes.width // 4:
            return True
        return size > sizes.widest and shared <= sizes.widest // 2

    def _row(self, low: int, high: int, cached: int) -> Row:
        """One row of the requests low..high, in preorder."""
        row = Row(prefix=self.paths[low][:cached])
        branch: list[int] = []  # indexes of the tokens on the current request's path, beyond the prefix
        for i in range(low, high):
            kept = 0 if i == low else max(self.shared[i], cached) - cached
            for closed in branch[kept:]:  # these have no further descendants
                row.ends[closed] = len(row.tokens)
            added = self.paths[i][cached + kept :]
            branch = branch[:kept] + list(range(len(row.tokens), len(row.tokens) + len(added)))
            row.tokens += added
            row.depths += range(cached + kept, cached + kept + len(added))
            row.ends += [0] * len(added)
            row.scored[self.order[i]] = branch[self.reusable[i] - cached :]
        for closed in branch:
            row.ends[closed] = len(row.tokens)
        return row
