"""The results file: of this version, of an older or newer one, open elsewhere, somebody else's, not there."""

import subprocess
import sys

import duckdb
import pytest

from harness.errors import WarehouseError
from harness.store import Store
from harness.warehouse import SCHEMA, VERSION, Locked, connect, ingest, query, rebuild
from harness.warehouse.file import measured_by_older_sessions
from tests.warehouse.alpha import counts, filled, planned


@pytest.fixture
def held_open(tmp_path, store):
    """A results file that another process has open."""
    path = filled(tmp_path / "r.duckdb", store)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.readline()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "open\n"
    yield path
    holder.communicate("close\n")


def test_a_file_open_elsewhere_is_locked_and_kept(held_open, store):
    for read_only in (False, True):
        told = "is open in another process: Conflicting lock is held in"
        with pytest.raises(Locked, match=told) as error, connect(held_open, read_only=read_only):
            pass
        assert error.value.remedy == "Close it there; nothing is lost."
    before = held_open.read_bytes()
    with pytest.raises(Locked):
        rebuild(held_open, store)
    assert held_open.read_bytes() == before


def test_a_newer_file_is_refused_and_left_alone(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE warehouse SET version = version + 1")
    told = f"has schema version {VERSION + 1}, and this harness reads {VERSION}"
    with pytest.raises(WarehouseError, match=told) as error, connect(path):
        pass
    assert error.value.remedy == "Upgrade the harness."


def test_a_database_of_something_else_is_refused_and_never_replaced(tmp_path, store):
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE letters AS SELECT 'dear' AS words")
    with pytest.raises(WarehouseError, match="is a DuckDB file, but not a results file"), connect(path):
        pass
    with pytest.raises(WarehouseError, match="not a results file"):
        rebuild(path, store)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("FROM letters").fetchall() == [("dear",)]


def test_reading_what_is_not_there_makes_nothing(tmp_path):
    with pytest.raises(WarehouseError, match="does not exist") as error, connect(tmp_path / "r.duckdb", read_only=True):
        pass
    assert "Run a suite first" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_every_column_of_the_schema_is_explained():
    inside, bare = False, []
    for line in SCHEMA.read_text().splitlines():
        inside = line.startswith("CREATE TABLE") or (inside and not line.startswith(")"))
        column = line.strip()
        if inside and column and column[0].islower() and "--" not in column:
            bare.append(column)
    assert bare == []


def test_a_query_that_fails_is_told_in_duckdbs_words(tmp_path, store):
    with connect(filled(tmp_path / "r.duckdb", store), read_only=True) as connection:
        assert query(connection, "SELECT run_id, scale FROM runs") == (
            ["run_id", "scale"], [{"run_id": "20260301T120000-aaaaaa", "scale": "mini"}],
        )  # fmt: skip
        with pytest.raises(WarehouseError, match="the query fails: (?s:.*)no_such_column"):
            query(connection, "SELECT no_such_column FROM runs")
        with pytest.raises(WarehouseError, match="the query fails: (?s:.*)read-only"):
            query(connection, "DELETE FROM runs")


# ---- older files --------------------------------------------------------------------------------------


def make_older(path):
    """The file as an earlier harness left it: without what this version added."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE warehouse SET version = version - 1")
        connection.execute("DROP TABLE measured")
        connection.execute("DROP TABLE baselines")
        connection.execute("ALTER TABLE gates DROP COLUMN kind")
        connection.execute("ALTER TABLE runs DROP COLUMN exact")
        connection.execute("ALTER TABLE runs DROP COLUMN better")
        connection.execute("ALTER TABLE evaluations DROP COLUMN dtype")


def test_an_older_file_is_brought_to_this_version_and_kept_beside_it(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    make_older(path)
    with connect(path) as connection:  # from an empty store: all that follows comes from the old file
        assert ingest(connection, Store(tmp_path / "empty")) == 0
        found = counts(connection)
        assert found["evaluations"] == 2
        assert found["samples"] == 8
        assert found["gates"] == 1
        assert connection.execute("SELECT kind, candidate FROM gates").fetchall() == [(None, 0.75)]
        assert ingest(connection, store) == 0, "it holds all that the store does"
    with duckdb.connect(str(tmp_path / f"r.duckdb.v{VERSION - 1}")) as connection:
        assert connection.execute("SELECT count(*) FROM evaluations").fetchone() == (2,)
    assert not list(tmp_path.glob("*.migrating*"))


def test_what_an_older_session_measured_is_what_was_there_when_it_ended(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        first = planned().key
        connection.execute(f"UPDATE evaluations SET created_at = '2026-03-01 12:00:30' WHERE evaluation = '{first}'")
        connection.execute("UPDATE subjects SET fingerprint = (SELECT any_value(fingerprint) FROM checkpoints)")
        connection.execute(
            "INSERT INTO evaluations BY NAME SELECT 'later' AS evaluation, * EXCLUDE (evaluation, created_at), "
            f"TIMESTAMP '2026-03-02 12:00:00' AS created_at FROM evaluations WHERE evaluation = '{first}'"
        )
    make_older(path)
    with connect(path) as connection:
        assert connection.execute("SELECT subject, suite, evaluation FROM measured").fetchall() == [
            ("alpha-mini", "quiz", first)
        ]


def test_an_older_file_is_not_replaced_by_who_only_reads(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE warehouse SET version = version - 1")
    with pytest.raises(WarehouseError, match=f"has schema version {VERSION - 1}"), connect(path, read_only=True):
        pass
    assert path.exists()


def test_a_session_that_measured_nothing_is_not_given_a_part_of_a_suite_as_the_whole(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE evaluations SET sample_limit = 4, created_at = '2026-03-01 12:00:30'")
        connection.execute("UPDATE subjects SET fingerprint = (SELECT any_value(fingerprint) FROM checkpoints)")
        connection.execute("DELETE FROM measured")
        measured_by_older_sessions(connection)
        assert connection.execute("FROM measured").fetchall() == []
        connection.execute("UPDATE runs SET sample_limit = 4")
        measured_by_older_sessions(connection)
        assert len(connection.execute("FROM measured").fetchall()) == 1
