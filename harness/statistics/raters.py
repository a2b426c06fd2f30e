"""What several people say of the same items: their mean with its interval, and how far they agree.

A rating has two sources of chance: which items were shown, and who was asked. Both are taken as drawn (Clark 1973,
"The language-as-fixed-effect fallacy", Journal of Verbal Learning and Verbal Behavior 12, 335-359).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np

from harness.errors import StatisticsError
from harness.statistics.interval import Interval
from harness.statistics.values import checked, error_rate, t_p_value, t_quantile

FEW_RATERS = 2.5
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
    variance is that by items plus that by raters less that of single ratings (Cameron, Gelbach and Miller 2011, Journal of
    Business & Economic Statistics 29, 238-249), no less than either of the first two, each by leaving one out, so that a
    rater who rated most counts for what the mean owes to them; of complete tables it is the quasi-F of Clark (1973). Its
    degrees of freedom are those of Satterthwaite (1946), raters counted as if all had rated as much, (sum n)^2 / sum n^2.
    Of one rater it is the interval by items alone, and says nothing of other people.

    Where all ratings are alike, so many items as Clopper and Pearson (1934) allow may lie at the far end of `within`, the least
    and the largest that a rating can be; no interval goes beyond. Raises StatisticsError for fewer than 2 items, for values that
    are not finite, and for ratings all alike that have no bounds.
    """
    given = checked("values", values)
    alpha = error_rate(level)
    x, rows, columns = _as_table(given, items, raters)
    count, people = len(set(rows)), len(set(columns))
    if count < 2:
        raise StatisticsError(f"mean_of_ratings: {count} item; at least 2 are needed.", "Rate more of them.")
    mean, of_whom = float(x.mean()), f"{people} raters" if people > 1 else "of one rater"
    if np.ptp(x) == 0:
        low, high, p = _unanimous(mean, count, alpha, within)
        return Interval(mean, low, high, p, x.size, f"Clopper-Pearson, {count} items all alike, {of_whom}", level)
    variance, freedom = _spread(x - mean, rows, columns)
    clustered = "two-way clustered t" if people > 1 else "t"
    method = f"{clustered}, {count} items, {of_whom}"
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


def _spread(residuals: np.ndarray, rows: Sequence[Hashable], columns: Sequence[Hashable]) -> tuple[float, float]:
    """(the variance of the mean, its degrees of freedom)."""
    of_items, of_people = _variance(residuals, rows), _variance(residuals, columns)
    of_single = float((residuals**2).sum()) / residuals.size / (residuals.size - 1)
    count, people = len(set(rows)), len(set(columns))
    if people == 1:
        return max(of_items, of_single / 2), float(count - 1)
    alike = residuals.size**2 / sum(number**2 for number in Counter(columns).values())  # raters, had all rated as much
    variance = max(of_items + of_people - of_single, of_items, of_people, of_single / 2)
    parts = ((of_items, count - 1), (of_people, max(1.0, alike - 1)), (of_single, (count - 1) * (people - 1)))
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    # Of few raters, how far people differ is known from hardly more than one difference.
    return variance, min(freedom, 2.0) if alike < FEW_RATERS else freedom


def _variance(residuals: np.ndarray, groups: Sequence[Hashable]) -> float:
    """Of the mean, by leaving one group out: (G-1)/G times the sum of (S/(n - n_g))^2, S a group's residuals together."""
    sums, sizes = defaultdict[Hashable, float](float), Counter(groups)
    for value, group in zip(residuals.tolist(), groups, strict=True):
        sums[group] += value
    count, n = len(sums), residuals.size
    if count < 2:
        return 0.0
    return float((count - 1) / count * sum((total / (n - sizes[group])) ** 2 for group, total in sums.items()))


def _unanimous(mean: float, count: int, alpha: float, within: tuple[float, float]) -> tuple[float, float, float]:
    """(low, high, p of zero) where every rating is `mean`."""
    least, most = within
    if not math.isfinite(least + most):
        raise StatisticsError("mean_of_ratings: all ratings are alike, and what they can be at most is not known.")
    share = 1 - (alpha / 2) ** (1 / count)  # of items that may be otherwise
    end = least if mean > 0 else most
    if mean == 0:
        p = 1.0
    elif end * mean > 0:
        p = 0.0  # zero is no rating
    else:
        p = min(1.0, 2 * (1 - mean / (mean - end)) ** count)
    return mean - (mean - least) * share, mean + (most - mean) * share, p
