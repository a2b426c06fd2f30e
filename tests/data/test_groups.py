"""Which groups of rows are held out: whole ones, as many rows as asked for."""

import pytest

from harness.data.reading.groups import held_out_groups
from harness.errors import DataError


def test_whole_groups_fill_exactly_the_rows_asked_for():
    sizes = {f"paper-{i}": 1 + i % 7 for i in range(172)}
    chosen = held_out_groups(sizes, 99, "papers")
    assert sum(sizes[name] for name in chosen) == 99


def test_groups_that_cannot_fill_the_count_are_an_error_naming_both_numbers():
    with pytest.raises(DataError, match="whole groups fill 4 of the 5 rows"):
        held_out_groups({"a": 4, "b": 4, "c": 4}, 5, "papers")
    with pytest.raises(DataError, match="12 of 12 rows cannot be held out"):
        held_out_groups({"a": 12}, 12, "papers")
