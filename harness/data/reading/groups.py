"""Which groups of rows are held out: always whole groups, chosen by a stable hash of their names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from harness.errors import DataError


def rank(text: str) -> str:
    """A stable key of a text: its 96-bit BLAKE2b digest, as 24 hexadecimal digits.

    The keys are evenly spread, so sorting texts by them is a shuffle, and the same one on every machine.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def held_out_groups(sizes: Mapping[str, int], count: int, who: str) -> set[str]:
    """The names of groups that together have exactly `count` rows. `sizes` holds each group's number of rows.

    Groups are visited in the order of their names' ranks. Each group that still fits is taken, a larger one is passed
    over. Say the order is b, a, c, with 2, 3 and 2 rows, and `count` is 4: b is taken (2 rows left to fill), a is too
    large, c is taken. The result depends only on names and sizes, not on the order of rows and not on a seed.

    Raises DataError if the groups taken do not fill `count` exactly; `who` names the data in its message.
    """
    total = sum(sizes.values())
    if not 0 < count < total:
        raise DataError(f"{who}: {count:,} of {total:,} rows cannot be held out; some must be left on both sides.")
    chosen, left = set(), count  # left: rows still to be filled
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
