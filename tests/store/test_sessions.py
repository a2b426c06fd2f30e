"""What sessions came to, kept as JSON: the warehouse can be made anew from it."""

import json

from harness.store import Store
from harness.store.sessions import SessionRows, read_sessions, write_session


def session(run_id):
    return SessionRows(
        run={"run_id": run_id, "seconds": 1.5, "commit_id": None},
        subjects=[{"run_id": run_id, "subject": "plain-mini", "settings": "[]"}],
        gates=[{"run_id": run_id, "gate": "g", "message": "ä | \u2028"}],
        measured=[{"run_id": run_id, "subject": "plain-mini", "suite": "tone", "evaluation": "a" * 64}],
    )


def test_sessions_come_back_whole_and_oldest_first(tmp_path):
    runs = ["20260302T120000-bbbb", "20260301T120000-aaaa"]
    for run_id in runs:
        write_session(Store(tmp_path), session(run_id))
    assert read_sessions(Store(tmp_path)) == [session(run_id) for run_id in sorted(runs)]
    assert [one.run_id for one in read_sessions(Store(tmp_path))] == sorted(runs)


def test_a_store_without_sessions_has_none(tmp_path):
    assert read_sessions(Store(tmp_path)) == []


def test_a_session_kept_before_it_noted_what_it_measured_is_read(tmp_path):
    write_session(Store(tmp_path), session("20260301T120000-aaaa"))
    (path,) = (tmp_path / "sessions").iterdir()
    kept = json.loads(path.read_text())
    del kept["measured"]
    path.write_text(json.dumps(kept))
    assert read_sessions(Store(tmp_path))[0].measured == []


def test_a_session_written_again_takes_the_others_place(tmp_path):
    write_session(Store(tmp_path), session("20260301T120000-aaaa"))
    write_session(Store(tmp_path), session("20260301T120000-aaaa"))
    assert [path.name for path in (tmp_path / "sessions").iterdir()] == ["20260301T120000-aaaa.json"]
