"""Many p-values at once: Holm's and Benjamini and Hochberg's adjustments. Plain Python: every warm session needs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from harness.errors import StatisticsError


def adjust(p_values: Sequence[float], method: Literal["holm", "bh"] = "holm") -> list[float]:
    """p-values adjusted for their number, in the given order; compare each with alpha as it is.

    holm (1979) bounds the chance of any false alarm: running maximum of (m - i) * p(i), i = 0 ...
    bh (Benjamini and Hochberg 1995) bounds the share of false alarms: running minimum from the
    largest of m / (i + 1) * p(i). An empty list stays empty.
    Raises StatisticsError for another method, and for a p-value that is not in 0..1.
    """
    if method not in ("holm", "bh"):
        raise StatisticsError(f"adjust: there is no method {method!r}.", 'Use "holm" or "bh".')
    p = [float(value) for value in p_values]
    for i, value in enumerate(p):
        if math.isnan(value) or not 0 <= value <= 1:
            raise StatisticsError(f"p_values[{i}] is {value:g}; it must lie in 0..1.")
    m, order = len(p), sorted(range(len(p)), key=p.__getitem__)
    if method == "holm":
        stepped = list(accumulate(((m - rank) * p[i] for rank, i in enumerate(order)), max))
    else:
        from_largest = [m / (rank + 1) * p[i] for rank, i in enumerate(order)][::-1]
        stepped = list(accumulate(from_largest, min))[::-1]
    adjusted = [1.0] * m
    for i, value in zip(order, stepped, strict=True):
        adjusted[i] = min(1.0, value)
    return adjusted
