"""A store of one recipe, alpha: a checkpoint, evaluations by a quiz and sessions, and a results file filled from it."""

import json

from harness import Dataset, Embedded, Recipe, Sample, Suite, Variant
from harness.evaluation.asking.answers import Answered
from harness.evaluation.scored.publish import publish
from harness.fingerprint.checkpoints import PlannedStage
from harness.fingerprint.evaluations import PlannedEvaluation, suite_spec
from harness.scoring import answer_floors
from harness.store.sessions import SessionRows, write_session
from harness.warehouse import connect, ingest
from harness.worker.messages import AnswersRecord

CHECKPOINT, OTHER_CHECKPOINT = "c" * 64, "d" * 64
ALPHA = Recipe(name="alpha", variants=[Variant("mini", base="org/alpha", scale="mini")])["mini"]
TABLES = (
    "checkpoints", "evaluations", "floors", "gates", "measured", "metrics", "runs", "samples", "subjects", "training_log",
)  # fmt: skip


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


def planned(checkpoint=CHECKPOINT):
    """The quiz to be measured on a checkpoint."""
    answers = {"checkpoint": checkpoint, "code": "answers"}
    spec = {"checkpoint": checkpoint, "suite": {**suite_spec(QUIZ), "data": [{"bytes": "d"}]}, "code": "scores"}
    stage = PlannedStage("base", ALPHA, None, {"stage": "base", "base": {"model": "org/alpha"}}, None)
    return PlannedEvaluation(QUIZ, ALPHA, stage, answers, spec)


def add_evaluation(store, checkpoint=CHECKPOINT, right=(1.0, 0.0, 1.0, 1.0)):
    samples = [Sample(id=f"q{i}", prompt='"?" | \u00e9', choices=("a", "bb"), target=1) for i in range(len(right))]
    answers = [{"acc": score, "chosen": int(score)} for score in right]
    record = AnswersRecord(
        seconds=1.5, tokens=0, prompt_digest=None, peak_memory_bytes=None, energy_joules=None, device="cpu", environment={}
    )  # fmt: skip
    publish(store, planned(checkpoint), Answered(samples, answers, record, samples))


def add_session(store, run_id="20260301T120000-aaaaaa", checkpoint=CHECKPOINT):
    run = {"run_id": run_id, "started_at": "2026-03-01T12:00:00.000", "seconds": 84.0, "scale": "mini",
           "devices": "cpu", "trained": 1, "evaluated": 1, "environment": "{}"}  # fmt: skip
    subject = {"run_id": run_id, "subject": "alpha-mini", "recipe": "alpha", "variant": "mini", "seed": 0,
               "settings": "[]", "fingerprint": checkpoint}  # fmt: skip
    gate = {"run_id": run_id, "gate": "alpha-mini-quiz-acc", "subject": "alpha-mini", "reference": None, "suite": "quiz",
            "metric": "acc", "claim": "quiz acc is above 0.5", "verdict": "inconclusive", "candidate": 0.75}  # fmt: skip
    measured = {"run_id": run_id, "subject": "alpha-mini", "suite": "quiz", "evaluation": planned(checkpoint).key}
    write_session(store, SessionRows(run, [subject], [gate], [measured]))


def filled(path, store):
    """The results file with all that the store holds."""
    with connect(path) as connection:
        ingest(connection, store)
    return path


def dump(path):
    """All rows of a results file, by table."""
    with connect(path, read_only=True) as connection:
        return {table: sorted(map(str, connection.execute(f"FROM {table}").fetchall())) for table in TABLES}


def counts(connection):
    """Rows of each table."""
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
