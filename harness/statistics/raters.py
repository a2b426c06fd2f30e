"""What several people say of the same items: their mean with its interval, and how far they agree.

A rating has two sources of chance: which items were shown, and who was asked. Both are taken as drawn (Clark 1973,
"The language-as-fixed-effect fallacy", Journal of Verbal Learning and Verbal Behavior 12, 335-359).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.values import checked, error_rate, t_p_value, t_quantile

Scale = Literal["nominal", "ordinal", "interval"]


def mean_of_ratings(
    values: Sequence[float],
    items: Sequence[Hashable],
    raters: Sequence[Hashable],
    level: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """The mean of ratings with its interval, and the p-value of "it is zero".

    values, items and raters have one entry a rating; ratings of one item by one rater count as one, their mean. Its
    variance is that by items plus that by raters less that of single ratings, each from the squared sums of residuals
    (Cameron, Gelbach and Miller 2011, Journal of Business & Economic Statistics 29, 238-249), no less than either of the
    first two; of complete tables it is the quasi-F of Clark (1973). Its degrees of freedom are those of Satterthwaite
    (1946). Of one rater it is the interval by items alone, and says nothing of other people; where all say the same, it is
    that of Clopper and Pearson (1934) for the share of items, of values -1 and 1.

    within: the least and the largest that a rating can be; no interval goes beyond. Raises StatisticsError for fewer than 2 items, and for values that are not finite.
    """
    given = checked("values", values)
    alpha = error_rate(level)
    x, rows, columns = _as_table(given, items, raters)
    count, people = len(set(rows)), len(set(columns))
    if count < 2:
        raise StatisticsError(f"mean_of_ratings: {count} item; at least 2 are needed.", "Rate more of them.")
    mean = float(x.mean())
    of_items, of_people = _variance(x - mean, rows), _variance(x - mean, columns)
    of_single = float(((x - mean) ** 2).sum()) / x.size / (x.size - 1)
    method = (
        f"two-way clustered t, {count} items, {people} raters" if people > 1 else f"t by {count} items, of one rater"
    )
    if of_items == of_people == 0:
        return _unanimous(mean, count, x.size, alpha)
    if people == 1:
        variance, freedom = of_items, float(count - 1)
    else:
        variance = max(of_items + of_people - of_single, of_items, of_people)
        parts = ((of_items, count - 1), (of_people, people - 1), (of_single, (count - 1) * (people - 1)))
        freedom = variance**2 / sum(part**2 / df for part, df in parts)
        if people == 2:  # how far people differ is known from one difference: Satterthwaite's is too many
            freedom = min(freedom, 2.0)
    error = math.sqrt(variance)
    half = t_quantile(alpha, freedom) * error
    low, high = max(within[0], mean - half), min(within[1], mean + half)
    return Interval(mean, low, high, t_p_value(mean, error, freedom), x.size, method, level)


def agreement(ratings: Mapping[str, Mapping[str, float]], scale: Scale) -> float | None:
    """Krippendorff's alpha of raters' values: 1 for perfect agreement, 0 for what chance gives (Krippendorff 2011).

    ratings: rater -> item -> value. None where no item has two values, or all values are the same.
    """
    import krippendorff

    names = sorted({item for of_rater in ratings.values() for item in of_rater})
    table = [[float(of_rater.get(item, math.nan)) for item in names] for of_rater in ratings.values()]
    shared = [name for i, name in enumerate(names) if sum(not math.isnan(of_rater[i]) for of_rater in table) > 1]
    if len(table) < 2 or not shared or len({v for row in table for v in row if not math.isnan(v)}) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=scale))


def _as_table(
    x: np.ndarray, items: Sequence[Hashable], raters: Sequence[Hashable]
) -> tuple[np.ndarray, list[Hashable], list[Hashable]]:
    """One value for each item and rater: values, items, raters."""
    if not len(items) == len(raters) == x.size:
        raise StatisticsError(f"mean_of_ratings: {x.size} values, {len(items)} items, {len(raters)} raters.")
    cells: dict[tuple[Hashable, Hashable], list[float]] = defaultdict(list)
    for value, item, rater in zip(x.tolist(), items, raters, strict=True):
        cells[item, rater].append(value)
    means = np.array([sum(found) / len(found) for found in cells.values()])
    return means, [item for item, _ in cells], [rater for _, rater in cells]


def _variance(residuals: np.ndarray, groups: Sequence[Hashable]) -> float:
    """Of the mean, by groups: the squared sums of residuals over n^2, times G/(G-1)."""
    sums: dict[Hashable, float] = defaultdict(float)
    for value, group in zip(residuals.tolist(), groups, strict=True):
        sums[group] += value
    if len(sums) < 2:
        return 0.0
    total = sum(value**2 for value in sums.values()) / residuals.size**2 * len(sums) / (len(sums) - 1)
    return 0.0 if total < 1e-20 else total


def _unanimous(mean: float, count: int, n: int, alpha: float) -> Interval:
    if abs(mean) != 1:
        return Interval(mean, mean, mean, None, n, f"all alike, {count} items", 1 - alpha)
    edge = 2 * float(stats.beta.ppf(alpha / 2, count, 1)) - 1  # the lowest share of items, as a difference
    p = min(1.0, 2 * 0.5**count)
    low, high = (edge, 1.0) if mean > 0 else (-1.0, -edge)
    return Interval(mean, low, high, p, n, f"Clopper-Pearson, {count} items that all say the same", 1 - alpha)
