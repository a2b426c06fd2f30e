"""What a session adds to the results: its lines before and after, its rows, and where nothing changed, nothing."""

import json
import os

import pytest

from harness.errors import StoreError
from harness.jobs.events import Measured, StoppedEarly
from harness.session.ending import closing
from harness.session.options import Options
from harness.session.record import LATEST, Outputs, Record, as_typed, read_latest
from harness.session.run import Run
from harness.session.selection import Selection
from harness.session.setup import Setup
from harness.store import Store
from tests.hand_made import add, measure


def record(made, tmp_path, **options):
    setup = Setup(made.project, made.store, Options("mini", **{"train": False, **options}), made.keys)
    return Record(Run(setup), Outputs.of(tmp_path, None), "pytest suites/")


def of_tone(made, session, *subjects):
    wanted = session.run.wanted(Selection(list(subjects), [(made.suites["tone"], subject) for subject in subjects]))
    session.note_wanted(wanted)


@pytest.fixture
def measured(made):
    alpha = add(made, "alpha")
    measure(made, alpha, x=[0.0, 1.0, 1.0, 1.0])
    return alpha


def test_results_lie_in_the_project_unless_a_file_is_named(tmp_path):
    assert Outputs.of(tmp_path, None).results == tmp_path / ".bench" / "results.duckdb"
    assert str(Outputs.of(tmp_path, "x.duckdb").results) == "x.duckdb"


def test_a_session_without_a_stored_result_comes_to_nothing(made, tmp_path, measured):
    session = record(made, tmp_path)
    of_tone(made, session, add(made, "beta"))
    assert not session.came_to_something()
    of_tone(made, session, measured)
    assert session.came_to_something()


def test_a_finished_session_has_rows_a_report_and_says_where(made, tmp_path, measured):
    session = record(made, tmp_path)
    of_tone(made, session, measured)
    session.finish()
    with session.outputs.reading() as connection:
        rows = connection.execute("SELECT subject, suite, command FROM measured JOIN runs USING (run_id)").fetchall()
        [estimate] = connection.execute("SELECT estimate FROM metrics").fetchone()
    assert rows == [("alpha-mini", "tone", "pytest suites/")]
    assert estimate == 0.75
    assert [path.name for path in session.paths] == ["report.html", "report.md"]
    assert all(path.exists() for path in session.paths)
    assert read_latest(session.outputs.reports)["broken"] == 0


def test_the_same_session_again_adds_no_run_and_shows_the_same_table(made, tmp_path, measured):
    first, second = record(made, tmp_path), record(made, tmp_path)
    for session in (first, second):
        of_tone(made, session, measured)
        session.finish()
    with first.outputs.reading() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert second.text == first.text != ""


def test_what_is_wanted_twice_is_the_same_as_once(made, tmp_path, measured):
    """A claim's other side that is trained by now is wanted by that claim too, in the session after."""
    first, second = record(made, tmp_path), record(made, tmp_path)
    of_tone(made, first, measured)
    of_tone(made, second, measured, measured)
    for session in (first, second):
        session.finish()
    with first.outputs.reading() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_an_interrupted_session_is_no_whole_one(made, tmp_path, measured):
    session = record(made, tmp_path)
    of_tone(made, session, measured)
    session.interrupted = True
    session.finish()
    assert read_latest(session.outputs.reports)["broken"] == 1
    with session.outputs.reading() as connection:
        assert connection.execute("SELECT interrupted FROM runs").fetchone() == (True,)


def test_a_session_that_measured_something_is_a_run_of_its_own(made, tmp_path, measured):
    first, second = record(made, tmp_path), record(made, tmp_path)
    second.run.log.add(Measured("key", "alpha-mini tone"))
    for session in (first, second):
        of_tone(made, session, measured)
        session.finish()
    with first.outputs.reading() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_until_a_session_finishes_the_newest_counts_as_broken(made, tmp_path, measured):
    session = record(made, tmp_path)
    of_tone(made, session, measured)
    session.finish()
    of_tone(made, record(made, tmp_path), measured)
    assert read_latest(session.outputs.reports)["broken"] == 1


def test_a_damaged_note_on_the_newest_session_is_as_none(tmp_path):
    assert read_latest(tmp_path) == {}
    (tmp_path / LATEST).write_text("{")
    assert read_latest(tmp_path) == {}
    (tmp_path / LATEST).write_text(json.dumps([1]))
    assert read_latest(tmp_path) == {}


def test_the_command_is_kept_as_it_was_typed():
    assert as_typed(["suites/", "-k", "a or b"]) == 'pytest suites/ -k "a or b"'


def test_the_last_lines_are_notes_what_stopping_early_saved_and_paths(made, tmp_path, measured):
    session = record(made, tmp_path)
    of_tone(made, session, measured)
    session.run.log.notes.append("something")
    session.run.log.add(StoppedEarly("alpha-mini tone", 15, 20))
    session.paths = [tmp_path / "report.html"]
    assert list(closing(session)) == [
        "note: something",
        "--adaptive spared 15 of 20 samples (75%): alpha-mini tone after 5 of 20",
        f"report: {tmp_path / 'report.html'}",
    ]


def test_a_place_that_cannot_be_written_is_named_before_anything_runs(tmp_path, monkeypatch):
    outputs, store = Outputs.of(tmp_path, str(tmp_path / "new" / "deeper" / "r.duckdb")), Store(tmp_path / "store")
    outputs.check_writable(store)
    assert not (tmp_path / "new").exists()
    locked = {tmp_path / "store"}
    monkeypatch.setattr(os, "access", lambda place, mode: place not in locked)
    (tmp_path / "store").mkdir(exist_ok=True)
    with pytest.raises(StoreError, match=f"{tmp_path}/store cannot be written") as error:
        outputs.check_writable(store)
    assert "--store DIR --results DIR/results.duckdb" in error.value.remedy


def test_a_fault_while_the_report_is_drawn_is_told_and_nothing_more(made, tmp_path, monkeypatch):
    alpha = add(made, "alpha")
    measure(made, alpha, x=[0.5] * 4)
    told = record(made, tmp_path)
    told.note_wanted(told.run.wanted(Selection([alpha], [(made.project.suite("tone"), alpha)])))
    monkeypatch.setattr("harness.report.write.write_reports", lambda *given, **more: 1 / 0)
    told.finish()
    [trouble] = told.trouble
    assert trouble.startswith("the report could not be drawn: ZeroDivisionError: division by zero (test_record.py:")
    assert read_latest(tmp_path / ".bench" / "reports")["broken"] == 1
