"""Which rows are held out when rows belong together: whole groups, chosen by a stable hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from harness.errors import DataError


def rank(text: str) -> str:
    """A stable, evenly spread key of a text: 24 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def held_out_groups(sizes: Mapping[str, int], count: int, who: str) -> set[str]:
    """Groups (name -> rows) that together have exactly `count` rows.

    By rank of their names each group is taken that still fits. It depends on nothing but the names and sizes:
    neither on the order of rows nor on a seed. Raises DataError where the count is not met exactly.
    """
    total = sum(sizes.values())
    if not 0 < count < total:
        raise DataError(f"{who}: {count:,} of {total:,} rows cannot be held out; some must be left on both sides.")
    chosen, left = set(), count
    for group in sorted(sizes, key=rank):
        if sizes[group] <= left:
            chosen.add(group)
            left -= sizes[group]
            if not left:
                return chosen
    raise DataError(
        f"{who}: whole groups fill {count - left:,} of the {count:,} rows to be held out, and no other group fits.",
        f"Hold out {count - left:,} rows, or split by a field with smaller groups.",
    )
