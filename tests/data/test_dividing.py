"""One file in two: whole groups on one side, rows as they are."""

import pytest

from harness.data.tools.dividing import divide
from harness.errors import DataError
from tests.row_files import read, write


def rows_of(groups):
    return [{"text": f"{group} {i}", "url": group} for group, size in groups.items() for i in range(size)]


def sides(folder):
    return read(folder / "train.jsonl"), read(folder / "eval.jsonl")


def test_rows_and_groups_of_both_sides_are_counted(tmp_path):
    file = write(tmp_path / "rows.jsonl", rows_of({f"page-{i}": 1 + i % 3 for i in range(30)}))
    told = divide(file, tmp_path / "out", rows=12, by="url")
    for rows, side in zip(sides(tmp_path / "out"), ("train", "eval"), strict=True):
        assert told[side] == {"rows": len(rows), "groups": len({row["url"] for row in rows})}
    assert told["eval"]["rows"] == 12


def test_rows_keep_their_bytes_and_their_order(tmp_path):
    lines = [f'{{"text":   "row {i}", "id": {i}}}' for i in range(20)]
    file = write(tmp_path / "rows.jsonl", "\n".join(lines))  # the last one without its line end
    divide(file, tmp_path / "out", rows=5)
    for name in ("train.jsonl", "eval.jsonl"):
        written = (tmp_path / "out" / name).read_text()
        assert written.endswith("\n")
        assert written.splitlines() == [line for line in lines if line in written]


def test_groups_that_texts_join_one_after_the_other_are_one(tmp_path):
    chain = [{"text": f"shared {i + step}", "url": f"page-{i}"} for i in range(4) for step in (0, 1)]
    file = write(tmp_path / "rows.jsonl", [*chain, *rows_of({"alone": 3})])
    told = divide(file, tmp_path / "out", rows=3, by="url")
    assert told == {"train": {"rows": 8, "groups": 1}, "eval": {"rows": 3, "groups": 1}}
    assert {row["url"] for row in sides(tmp_path / "out")[1]} == {"alone"}


def test_a_number_may_name_a_group_and_nothing_else_may(tmp_path):
    rows = [{"text": f"row {i}", "page": i // 5} for i in range(20)]
    divide(write(tmp_path / "rows.jsonl", rows), tmp_path / "out", rows=5, by="page")
    for value in (None, "", True, 1.5, ["x"]):
        file = write(tmp_path / "rows.jsonl", [*rows, {"text": "odd", "page": value}])
        with pytest.raises(DataError, match=r'rows\.jsonl:21: row has no "page" to split by'):
            divide(file, tmp_path / "out", rows=5, by="page")


def test_a_bad_row_leaves_earlier_sides_as_they_were(tmp_path):
    divide(write(tmp_path / "rows.jsonl", rows_of({"a": 9})), tmp_path / "out", rows=2)
    before = sides(tmp_path / "out")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: "):
        divide(write(tmp_path / "rows.jsonl", [{"text": "one"}, {"words": 2}]), tmp_path / "out", rows=1)
    assert sides(tmp_path / "out") == before
