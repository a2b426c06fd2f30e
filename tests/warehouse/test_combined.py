"""Several results files read as one."""

from pathlib import Path

import pytest

from harness.errors import WarehouseError
from harness.store import Store
from harness.warehouse import combined
from harness.warehouse.combined import _labels
from tests.warehouse.alpha import add_checkpoint, add_evaluation, add_session, filled


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a/.bench/results.duckdb", "b/.bench/results.duckdb", "c/.bench/results.duckdb"],
         ["a/.bench/results", "b/.bench/results", "c/.bench/results"]),
        (["here.duckdb", "there.duckdb"], ["here", "there"]),
        (["x/r.duckdb", "x/r.duckdb"], ["r", "r"]),
    ],
)  # fmt: skip
def test_files_are_told_apart_by_as_much_of_their_path_as_it_takes(paths, labels):
    assert _labels([Path(path) for path in paths]) == labels


def test_several_files_are_read_as_one(tmp_path, store):
    other = Store(tmp_path / "other-store")
    add_checkpoint(other, "9" * 64)
    add_evaluation(other, checkpoint="9" * 64, right=(0.0, 0.0, 1.0, 0.0))
    add_session(other, "20260305T120000-cccccc", checkpoint="9" * 64)
    here, there = filled(tmp_path / "here.duckdb", store), filled(tmp_path / "there.duckdb", other)
    with combined([here, there]) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()
        assert ask("SELECT subject, estimate FROM leaderboard ORDER BY subject") == [
            ("alpha-mini", 0.75), ("alpha-mini@there", 0.25),
        ]  # fmt: skip
        assert ask("SELECT count(*) FROM samples") == [(12,)]
        assert ask("SELECT count(*) FROM floors") == [(3,)]
        assert ask("SELECT subject, gate FROM gates ORDER BY run_id") == [
            ("alpha-mini", "alpha-mini-quiz-acc"), ("alpha-mini@there", "alpha-mini-quiz-acc"),
        ]  # fmt: skip
    with combined([here, here]) as connection:  # the same rows twice are the same rows
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (8,)
        assert connection.execute("SELECT subject FROM subjects").fetchall() == [("alpha-mini",)]


def test_a_file_among_several_that_is_not_there_is_told(tmp_path, store):
    here = filled(tmp_path / "here.duckdb", store)
    with (
        pytest.raises(WarehouseError, match=r"nowhere\.duckdb does not exist"),
        combined([here, tmp_path / "nowhere.duckdb"]),
    ):
        pass
