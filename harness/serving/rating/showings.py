"""What each rater is shown: some pairs by all raters and first, some a second time, all in an order of the rater's own."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

COMMON = 0.25  # share of pairs that every rater sees before others: how far raters agree is known early
TWICE = 0.1  # share of pairs that are shown again: whether a rater says the same


@dataclass(frozen=True)
class Item:
    """One prompt with its answers, in the order of the comparison's subjects."""

    sample_id: str
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Showing:
    """One item as it is shown to a rater."""

    item: Item
    again: int  # 0; 1 where it was shown before
    order: tuple[int, ...]  # of the answers: (1, 0) has the second subject's on the left

    @property
    def place(self) -> tuple[str, int]:
        """What a rating of it is about."""
        return self.item.sample_id, self.again


def showings(items: Sequence[Item], comparison: str, rater: str) -> list[Showing]:
    """All that a rater is shown, the same at every start."""
    draw = random.Random(f"{comparison} {rater}")
    common = list(items[: math.ceil(COMMON * len(items))])
    rest = list(items[len(common) :])
    draw.shuffle(common)
    draw.shuffle(rest)
    shown = [(item, 0) for item in (*common, *rest)]
    for item in common[: math.ceil(TWICE * len(items))] if len(items) > 2 else ():
        shown.insert(draw.randint(math.ceil(0.6 * len(shown)), len(shown)), (item, 1))
    sides = [tuple(range(len(items[0].answers)))] * len(shown) if items else []
    return [
        Showing(item, again, tuple(draw.sample(side, len(side))))
        for (item, again), side in zip(shown, sides, strict=True)
    ]
