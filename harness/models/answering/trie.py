"""Requests that share a prefix -> rows of tokens in which every shared token stands once.

Requests are sorted by their tokens. What each adds to its predecessor, one after the other, is then the preorder
of their trie, and two integers per token say all of its shape: the depth, and where the token's descendants end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
    """A trie laid out in preorder: per token its depth, and the index one past its last descendant; T tokens."""

    prefix: Sequence[int]  # tokens before depth len(prefix), which stand in a cache
    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    scored: dict[int, list[int]] = field(default_factory=dict)  # request -> tokens after which its target's follow


class Trie:
    """Requests in the order of their tokens, with what neighbours share.

    The last token of a target is never computed on: nothing after it is asked for.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        paths = [[*request.context, *request.target[:-1]] for request in requests]
        self.order = sorted(range(len(requests)), key=paths.__getitem__)
        self.paths = [paths[i] for i in self.order]
        self.reusable = [len(requests[i].context) - 1 for i in self.order]  # depths before the first scored token
        arrays = [numpy.asarray(path, dtype=numpy.int64) for path in self.paths]
        self.shared = [0] * len(arrays)  # with the predecessor
        for i in range(1, len(arrays)):
            length = min(len(arrays[i - 1]), len(arrays[i]))
            differs = arrays[i - 1][:length] != arrays[i][:length]
            first = int(differs.argmax()) if length else 0
            self.shared[i] = first if length and differs[first] else length

    @property
    def unique_tokens(self) -> int:
        """The fewest tokens that have to be computed."""
        return sum(map(len, self.paths)) - sum(self.shared)

    def rows(self, width: int, budget: int) -> Iterator[Row]:
        """Rows of about `width` tokens, or of what shares more; a prefix common to more than `budget` tokens of
        requests is to be computed once, beforehand."""
        yield from self._rows(0, len(self.paths), 0, width, budget)

    def _rows(self, low: int, high: int, cached: int, width: int, budget: int) -> Iterator[Row]:
        if self._tokens(low, high, cached) > budget and high - low > 1:
            common = min(min(self.shared[low + 1 : high]), min(self.reusable[low:high]))
            if common - cached >= SHARED_AT_LEAST:
                cached = common
            else:
                common = max(common, cached)
            small = low  # start of the requests waiting for rows under the prefix cached here
            starts = [low, *(i for i in range(low + 1, high) if self.shared[i] <= common), high]
            for start, end in zip(starts[:-1], starts[1:]):
                if (start, end) != (low, high) and self._tokens(start, end, cached) > budget:
                    yield from self._fill(small, start, cached, width, budget)
                    yield from self._rows(start, end, cached, width, budget)
                    small = end
            low = small
        yield from self._fill(low, high, cached, width, budget)

    def _tokens(self, low: int, high: int, cached: int) -> int:
        """Tokens of the trie of requests low..high beyond the cached depth."""
        if low == high:
            return 0
        shared = sum(max(self.shared[i], cached) for i in range(low + 1, high)) + cached
        return sum(len(self.paths[i]) for i in range(low, high)) - shared

    def _fill(self, low: int, high: int, cached: int, width: int, limit: int) -> Iterator[Row]:
        """Rows of the requests low..high; a row ends where its requests share little, near its width, or at the limit."""
        while low < high:
            size, best = len(self.paths[low]) - cached, 0
            end = high
            for i in range(low + 1, high):
                added = len(self.paths[i]) - max(self.shared[i], cached)
                if size * 4 >= width * 3 or size + added > width:
                    best = i if not best or self.shared[i] <= self.shared[best] else best
                if size + added > width and (self.shared[best] - cached <= width // 4 or size + added > limit):
                    end = best
                    break
                size += added
            yield self._row(low, end, cached)
            low = end

    def _row(self, low: int, high: int, cached: int) -> Row:
        row = Row(prefix=self.paths[low][:cached])
        branch: list[int] = []  # the row's index of each token on the current request's path, beyond the prefix
        for i in range(low, high):
            kept = 0 if i == low else max(self.shared[i], cached) - cached
            for closed in branch[kept:]:
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
