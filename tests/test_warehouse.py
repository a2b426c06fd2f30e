"""The warehouse: filled from the store, made anew from it, and refused where it cannot be read."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from harness import Dataset, Embedded, Sample, Suite
from harness.errors import StoreError, WarehouseError
from harness.evaluation.evaluation import publish, suite_spec
from harness.scoring import answer_floors
from harness.store.artifacts import Store
from harness.warehouse import VERSION, Locked, combined, connect, ingest, rebuild, write_session
from harness.warehouse.combined import _labels

CHECKPOINT = "c" * 64
TABLES = (
    "checkpoints",
    "evaluations",
    "floors",
    "gates",
    "measured",
    "metrics",
    "runs",
    "samples",
    "subjects",
    "training_log",
)


def as_answered(sample, output):
    return {"acc": output["acc"]}


QUIZ = Suite(
    name="quiz",
    dataset=Dataset(name="q", mini=Embedded("quiz")),
    to_sample=lambda row: Sample(id=row["id"]),
    scorer=as_answered,
    floors=answer_floors,
)


def add_checkpoint(store, key=CHECKPOINT):
    made = store.work("checkpoints", key) / "made"
    made.mkdir()
    log = [
        {"step": 0, "eval_loss": 4.0},
        {"step": 1, "loss": 3.5, "learning_rate": 1e-4, "grad_norm": 1.0, "tokens": 100, "seconds": 0.1},
        {"step": 2, "loss": 3.0, "learning_rate": 0.0, "grad_norm": 0.5, "tokens": 200, "seconds": 0.2},
        {"step": 2, "eval_loss": 2.5},
    ]
    (made / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    spec = {"stage": "finetune", "base": {"checkpoint": "b" * 64}, "seed": 0}
    record = {"trainable_parameters": 24_313_856, "total_parameters": 3_212_749_824, "optimizer_steps": 2,
              "device": "cpu", "environment": {"python": "3.11"}}  # fmt: skip
    store.publish("checkpoints", key, made, spec, record)


def add_evaluation(store, key, checkpoint=CHECKPOINT, right=(1.0, 0.0, 1.0, 1.0)):
    samples = [Sample(id=f"q{i}", prompt='"?" | \u00e9', choices=("a", "bb"), target=1) for i in range(len(right))]
    answers = [{"acc": score, "chosen": int(score)} for score in right]
    spec = {"checkpoint": checkpoint, "suite": {**suite_spec(QUIZ), "data": [{"bytes": "d"}]}, "engine": "engine"}
    record = {"subject": "alpha-mini", "scale": "mini", "device": "cpu", "environment": {}, "seconds": 1.5}
    publish(store, key, spec, QUIZ, samples, answers, record)


def add_session(store, run_id="20260301T120000-aaaaaa"):
    run = {"run_id": run_id, "started_at": "2026-03-01T12:00:00.000", "seconds": 84.0, "scale": "mini",
           "devices": "cpu", "trained": 1, "evaluated": 1, "environment": "{}"}  # fmt: skip
    subject = {"run_id": run_id, "subject": "alpha-mini", "recipe": "alpha", "variant": "mini", "seed": 0,
               "settings": "[]", "fingerprint": CHECKPOINT}  # fmt: skip
    gate = {"run_id": run_id, "gate": "alpha-mini-quiz-acc", "subject": "alpha-mini", "reference": None, "suite": "quiz",
            "metric": "acc", "claim": "quiz acc is above 0.5", "verdict": "inconclusive", "candidate": 0.75}  # fmt: skip
    measured = {"run_id": run_id, "subject": "alpha-mini", "suite": "quiz", "evaluation": "e" * 64}
    write_session(store.root, run, [subject], [gate], [measured])


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    add_checkpoint(store)
    add_evaluation(store, "e" * 64)
    add_evaluation(store, "f" * 64, checkpoint="d" * 64, right=(0.0, 0.0, 1.0, 0.0))  # the same floors again
    add_session(store)
    return store


def filled(path, store):
    with connect(path) as connection:
        ingest(connection, store)
    return path


def dump(path):
    with connect(path, read_only=True) as connection:
        return {table: sorted(map(str, connection.execute(f"FROM {table}").fetchall())) for table in TABLES}


def test_everything_in_the_store_becomes_rows_once(tmp_path, store):
    with connect(tmp_path / "r.duckdb") as connection:
        assert ingest(connection, store) == 4  # a checkpoint, two evaluations, a session
        assert ingest(connection, store) == 0
        counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}
    assert counts == {
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
            "SELECT prompt, target, completion, scores->>'acc' FROM samples WHERE sample_id = 'q1' AND evaluation[1] = 'e'"
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
    (store.root / "evaluations" / ("f" * 64) / "samples.parquet").unlink()
    with connect(tmp_path / "r.duckdb") as connection:
        with pytest.raises(StoreError, match="lacks samples.parquet"):
            ingest(connection, store)
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


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


def test_reading_what_is_not_there_makes_nothing(tmp_path):
    with pytest.raises(WarehouseError, match="does not exist") as error, connect(tmp_path / "r.duckdb", read_only=True):
        pass
    assert "Run a suite first" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_every_column_of_the_schema_is_explained():
    from harness.warehouse import SCHEMA

    inside, bare = False, []
    for line in SCHEMA.read_text().splitlines():
        inside = line.startswith("CREATE TABLE") or (inside and not line.startswith(")"))
        column = line.strip()
        if inside and column and column[0].islower() and "--" not in column:
            bare.append(column)
    assert bare == []


def make_older(path):
    """The file as an earlier harness left it: without what this version added."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE warehouse SET version = version - 1")
        connection.execute("DROP TABLE measured")
        connection.execute("DROP TABLE baselines")
        connection.execute("ALTER TABLE gates DROP COLUMN kind")


def test_an_older_file_is_brought_to_this_version_and_kept_beside_it(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    make_older(path)
    with connect(path) as connection:  # from an empty store: all that follows comes from the old file
        assert ingest(connection, Store(tmp_path / "empty")) == 0
        counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}
        assert counts["evaluations"] == 2
        assert counts["samples"] == 8
        assert counts["gates"] == 1
        assert connection.execute("SELECT kind, candidate FROM gates").fetchall() == [(None, 0.75)]
        assert ingest(connection, store) == 0, "it holds all that the store does"
    with duckdb.connect(str(tmp_path / f"r.duckdb.v{VERSION - 1}")) as connection:
        assert connection.execute("SELECT count(*) FROM evaluations").fetchone() == (2,)
    assert not list(tmp_path.glob("*.migrating*"))


def test_what_an_older_session_measured_is_what_was_there_when_it_ended(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE evaluations SET created_at = '2026-03-01 12:00:30' WHERE evaluation[1] = 'e'")
        connection.execute("UPDATE subjects SET fingerprint = (SELECT any_value(fingerprint) FROM checkpoints)")
        connection.execute(
            "INSERT INTO evaluations BY NAME SELECT 'later' AS evaluation, * EXCLUDE (evaluation, created_at), "
            "TIMESTAMP '2026-03-02 12:00:00' AS created_at FROM evaluations WHERE evaluation[1] = 'e'"
        )
    make_older(path)
    with connect(path) as connection:
        assert connection.execute("SELECT subject, suite, evaluation FROM measured").fetchall() == [
            ("alpha-mini", "quiz", "e" * 64)
        ]


def test_several_files_are_read_as_one(tmp_path, store):
    other = Store(tmp_path / "other-store")
    add_checkpoint(other, "9" * 64)
    add_evaluation(other, "8" * 64, checkpoint="9" * 64, right=(0.0, 0.0, 1.0, 0.0))
    add_session(other, "20260305T120000-cccccc")
    for path in (other.root / "sessions").glob("*.json"):
        path.write_text(path.read_text().replace(CHECKPOINT, "9" * 64).replace("e" * 64, "8" * 64))
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


def test_an_older_file_is_not_replaced_by_who_only_reads(tmp_path, store):
    path = filled(tmp_path / "r.duckdb", store)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE warehouse SET version = version - 1")
    with pytest.raises(WarehouseError, match=f"has schema version {VERSION - 1}"), connect(path, read_only=True):
        pass
    assert path.exists()
