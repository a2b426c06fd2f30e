"""Many p-values at once: Holm's and Benjamini and Hochberg's adjustments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.values import checked


def adjust(p_values: Sequence[float], method: Literal["holm", "bh"] = "holm") -> list[float]:
    """p-values adjusted for their number, in the given order; compare each with alpha as it is.

    holm (1979) bounds the chance of any false alarm: running maximum of (m - i) * p(i), i = 0 ...
    bh (Benjamini and Hochberg 1995) bounds the share of false alarms: running minimum from the
    largest of m / (i + 1) * p(i). An empty list stays empty.
    """
    if method not in ("holm", "bh"):
        raise StatisticsError(f"adjust: there is no method {method!r}.", 'Use "holm" or "bh".')
    if len(p_values) == 0:
        return []
    p = checked("p_values", p_values)
    outside = np.flatnonzero((p < 0) | (p > 1))
    if outside.size:
        raise StatisticsError(f"p_values[{outside[0]}] is {p[outside[0]]:g}; it must lie in 0..1.")
    m, order = p.size, np.argsort(p, kind="stable")
    if method == "holm":
        stepped = np.maximum.accumulate((m - np.arange(m)) * p[order])
    else:
        stepped = np.minimum.accumulate((m / np.arange(1, m + 1) * p[order])[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()
