"""The store as rows: each once, all or none, and the same again when the file is made anew."""

import json

import pyarrow.parquet
import pytest

from harness.errors import StoreError, WarehouseError
from harness.store import Store
from harness.warehouse import Locked, connect, ingest, rebuild
from tests.warehouse.alpha import OTHER_CHECKPOINT, add_session, counts, dump, filled, planned


def test_everything_in_the_store_becomes_rows_once(tmp_path, store):
    with connect(tmp_path / "r.duckdb") as connection:
        assert ingest(connection, store) == 4  # a checkpoint, two evaluations, a session
        assert ingest(connection, store) == 0
        found = counts(connection)
    assert found == {
        "checkpoints": 1, "evaluations": 2, "floors": 3, "gates": 1, "measured": 1, "metrics": 2, "runs": 1, "samples": 8,
        "subjects": 1, "training_log": 3,
    }  # fmt: skip


def test_rows_hold_what_was_published(tmp_path, store):
    with connect(filled(tmp_path / "r.duckdb", store)) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()
        assert ask("SELECT estimate, n FROM metrics ORDER BY estimate") == [(0.25, 4), (0.75, 4)]
        assert ask("SELECT stage, parent, total_parameters FROM checkpoints") == [("finetune", "b" * 64, 3_212_749_824)]
        assert ask("SELECT step, loss, eval_loss FROM training_log ORDER BY step") == [
            (0, None, 4.0), (1, 3.5, None), (2, 3.0, 2.5),
        ]  # fmt: skip
        assert ask(
            "SELECT prompt, target, completion, scores->>'acc' FROM samples "
            f"WHERE sample_id = 'q1' AND evaluation = '{planned().key}'"
        ) == [('"?" | \u00e9', "bb", "a", "0.0")]
        assert ask("SELECT floor, value FROM floors WHERE metric = 'acc' ORDER BY floor") == [
            ("chance", 0.5), ("first_answer", 0.0), ("longest_answer", 1.0),
        ]  # fmt: skip
        assert ask("SELECT suite, metric, subject, estimate FROM leaderboard") == [("quiz", "acc", "alpha-mini", 0.75)]


def test_a_later_session_adds_only_what_is_new(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    add_session(store, "20260302T120000-bbbbbb")
    with connect(path) as connection:
        assert ingest(connection, store) == 1
        assert connection.execute("SELECT count(*) FROM gates").fetchone() == (2,)


def test_an_artifact_made_on_a_round_millisecond_is_known_again(tmp_path, store):
    for kind in ("checkpoints", "evaluations"):
        for path in (store.root / kind).glob("*/manifest.json"):
            manifest = json.loads(path.read_text())
            manifest["created_at"] = "2026-03-01T12:00:00.000+00:00"
            path.write_text(json.dumps(manifest))
    path = filled(tmp_path / "r.duckdb", store)
    with connect(path) as connection:
        assert ingest(connection, store) == 0


def test_rebuilding_gives_the_same_tables(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    before = dump(path)
    assert rebuild(path, store) == 4
    assert dump(path) == before
    assert rebuild(tmp_path / "other.duckdb", store) == 4
    assert dump(tmp_path / "other.duckdb") == before
    assert not list(tmp_path.glob("*.rebuilding*"))


def test_a_failed_ingest_leaves_nothing_half_done(tmp_path, store):
    (store.root / "evaluations" / planned(OTHER_CHECKPOINT).key / "samples.parquet").unlink()
    with connect(tmp_path / "r.duckdb") as connection:
        with pytest.raises(StoreError, match="lacks samples.parquet"):
            ingest(connection, store)
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


@pytest.mark.parametrize("folder", ["results", "clockwork"])  # the second one's name holds the word "lock"
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"no database at all" * 100, lambda data: data[:9_000], lambda data: data[:300_000]],
    ids=["text", "cut in its head", "cut in its rows"],
)
def test_a_damaged_file_is_told_and_made_anew(tmp_path, store, folder, damage):
    path = filled(tmp_path / folder / "r.duckdb", store)
    before = dump(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WarehouseError, match=r"r\.duckdb") as error, connect(path) as connection:
        ingest(connection, store)
    assert not isinstance(error.value, Locked), "nobody holds it"
    assert "harness results rebuild" in error.value.remedy
    rebuild(path, store)
    assert dump(path) == before


def test_a_byte_damaged_anywhere_is_told_in_our_words_or_does_no_harm(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    data = path.read_bytes()
    told = 0
    for place in range(12_288 + 100, len(data), 65_536):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :])
        try:
            with connect(path) as connection:
                ingest(connection, store)
        except WarehouseError:
            told += 1
    assert told > 0


def test_an_evaluation_of_an_older_harness_has_no_more_than_it_wrote(tmp_path, store):
    [first, *_] = [artifact for artifact in store.all("evaluations") if artifact.key == planned().key]
    file = first.path / "samples.parquet"
    older = pyarrow.parquet.read_table(file).select(
        ["sample_id", "cluster", "prompt", "target", "completion", "scores"]
    )
    pyarrow.parquet.write_table(older, file)
    with connect(filled(tmp_path / "r.duckdb", store)) as connection:
        found = connection.execute(
            "SELECT sample_id, target, target_json, finish_reason FROM samples "
            f"WHERE evaluation = '{first.key}' ORDER BY position"
        ).fetchall()
    assert found == [(f"q{i}", "bb", None, None) for i in range(4)]


def test_the_answers_are_those_of_whole_suites(tmp_path, store):
    add_session(store, "20260302T120000-bbbbbb")
    with connect(filled(tmp_path / "r.duckdb", store)) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()
        shown = ask("SELECT subject, suite, sample, target, target_json, completion, scores->>'acc' FROM answers")
        assert shown[1] == ("alpha-mini", "quiz", "q1", "bb", "1", "a", "0.0")
        assert len(shown) == 4
        connection.execute("UPDATE evaluations SET sample_limit = 4")
        assert ask("FROM answers") == ask("FROM latest") == []


def test_of_a_store_that_projects_share_each_takes_its_own_runs(tmp_path, store):
    """The other's evaluation is of the same checkpoint and of a suite of the same name, with other questions."""
    add_session(store, "20260303T120000-cccccc", OTHER_CHECKPOINT)
    path = store.root / "sessions" / "20260303T120000-cccccc.json"
    session = json.loads(path.read_text())
    session["run"]["project"] = "kites"
    path.write_text(json.dumps(session))
    runs = {}
    for project in ("owls", "kites", None):
        with connect(tmp_path / f"{project}.duckdb") as connection:
            ingest(connection, Store(store.root, project))
            runs[project] = counts(connection)["runs"], counts(connection)["evaluations"]
    assert runs == {"owls": (1, 1), "kites": (2, 2), None: (2, 2)}  # the first does not say whose it is
