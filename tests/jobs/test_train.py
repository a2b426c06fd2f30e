"""One training job: the task that a worker gets, what is kept of an earlier run, and the checkpoint that comes of it."""

import dataclasses
import json
import time
from pathlib import Path
from threading import Thread

import pytest

from harness import Architecture, Dataset, Embedded, Finetune, Fresh, Lora, Mix, Pretrain, Quantization, Recipe, Variant
from harness.environment import threads
from harness.errors import DataError, WorkerFailed
from harness.files import read_json_lines, write_json_lines
from harness.jobs.events import Note, Trained
from harness.jobs.job import Job, Progress
from harness.jobs.pool import WorkerPool
from harness.jobs.train import SLOWLY, TrainingJob, TrainingRows, read_rows, training_task
from harness.recipe import FinetuneSettings, PretrainSettings
from harness.store import Store
from harness.worker.messages import HELD_OUT, RECORD, ROWS, TASK, TrainingTask, receive, send
from harness.worker.places import HubModel, Published
from tests.hand_made import add
from tests.job_runs import context_of, run

TEXT = Dataset(name="text", mini=Embedded("stories", text="text"))
TALK = Dataset(name="talk", mini=Embedded("instructions"))
SHAPE = Architecture(
    hidden_size=32, layers=1, heads=2, key_value_heads=2, intermediate_size=64, vocabulary_size=300, context_length=64
)
TEXTS, TALKS = TEXT.rows(mini=10), TALK.rows(mini=12)
PRETRAIN = Pretrain(
    data=Mix(TEXTS), held_out=Mix(TEXTS.held_out(1, mini=3)), learning_rate=1e-3, epochs=0.1, effective_batch_size=4,
    eval_steps=2,
)  # fmt: skip
FINETUNE = Finetune(data=Mix(TALKS), learning_rate=5e-4, epochs=2, effective_batch_size=6, adapter=Lora(rank=4))


def recipe(made, name, base, *stages, **more):
    """A recipe of one variant in the project; its subject."""
    made.recipes[name] = Recipe(name=name, stages=stages, variants=[Variant("mini", base=base, scale="mini", **more)])
    return made.recipes[name]["mini"]


@pytest.fixture
def ground(made):
    return recipe(made, "ground", SHAPE, PRETRAIN, save_steps=5, micro_batch_size=2)


# ---- the task -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "gpus", "processes"),
    [(None, 0, 1), (None, 1, 1), (None, 2, 2), (None, 8, 3), (2, 8, 2), (2, 0, 2), (9, 16, 4)],
)
def test_a_stage_is_trained_by_as_many_processes_as_are_asked_for_have_gpus_and_find_rows(made, asked, gpus, processes):
    wide = recipe(made, "wide", SHAPE, PRETRAIN, gpus=3)
    work, _ = context_of(made)
    assert TrainingJob(work, made.keys.last(wide), TrainingRows()).processes(asked, gpus) == processes


def test_a_task_from_fresh_weights_holds_what_the_recipe_says(made, ground):
    planned = made.keys.last(ground)
    task = training_task(planned, made.keys.folders)
    assert task == TrainingTask(
        makes=planned.key, name="ground-mini pretrain", kind="pretrain", architecture=SHAPE, base=None,
        base_name="architecture", settings=PRETRAIN.settings, micro_batch_size=2, eval_steps=2, save_steps=5,
    )  # fmt: skip
    assert isinstance(task.settings, PretrainSettings)
    again = training_task(made.keys.last(ground.with_seed(3)), made.keys.folders)
    assert again == dataclasses.replace(task, makes=again.makes, name="ground-mini-seed3 pretrain", seed=3)


def test_a_task_over_a_checkpoint_names_it_by_its_key(made, ground):
    planned = made.keys.last(recipe(made, "plain", ground, FINETUNE))
    task, fingerprint = training_task(planned, made.keys.folders), made.keys.fingerprint(ground)
    assert task == TrainingTask(
        makes=planned.key, name="plain-mini finetune", kind="finetune", base=Published(fingerprint),
        base_name=fingerprint, settings=FINETUNE.settings, micro_batch_size=6,
    )  # fmt: skip
    assert isinstance(task.settings, FinetuneSettings)


def test_a_task_over_a_model_of_the_hub_names_it_with_its_revision(made):
    found = training_task(made.keys.last(add(made, "alpha", stages=[FINETUNE])), made.keys.folders)
    assert (found.base, found.base_name) == (HubModel("org/alpha", None), "org/alpha")


def test_the_task_of_an_untrained_subject_has_the_shape_and_no_settings(made, ground):
    like_own = training_task(made.keys.last(recipe(made, "untrained", Fresh(ground), seed=3)), made.keys.folders)
    assert (like_own.kind, like_own.architecture, like_own.base, like_own.settings) == ("fresh", SHAPE, None, None)
    assert like_own.seed == 3
    like_published = training_task(made.keys.last(recipe(made, "other", Fresh("org/model"))), made.keys.folders)
    assert (like_published.architecture, like_published.base) == (None, HubModel("org/model", None))


# ---- the rows -----------------------------------------------------------------------------------------


def test_rows_are_read_with_those_held_out(made, ground):
    context, reported = context_of(made)
    rows = read_rows(made.keys.last(ground), context)
    assert (len(rows.rows), len(rows.held_out)) == (10, 3)
    assert not {row["id"] for row in rows.rows} & {row["id"] for row in rows.held_out}
    assert reported == []


def test_a_model_used_as_it_is_has_no_rows(made):
    context, _ = context_of(made)
    assert read_rows(made.keys.last(add(made, "alpha")), context) == TrainingRows()


def test_held_out_rows_that_are_trained_on_are_an_error(made):
    both = dataclasses.replace(PRETRAIN, held_out=Mix(TEXT.rows(mini=2)))
    context, _ = context_of(made)
    with pytest.raises(DataError, match=r"both-mini pretrain: 2 held-out rows are trained on \(first: stories\.jsonl:"):
        read_rows(made.keys.last(recipe(made, "both", SHAPE, both)), context)


def test_a_conversation_cannot_be_pretrained_on(made):
    odd = dataclasses.replace(PRETRAIN, data=Mix(TALKS), held_out=None)
    context, _ = context_of(made)
    with pytest.raises(DataError, match=r"odd-mini pretrain: instructions\.jsonl:\d+ is a conversation"):
        read_rows(made.keys.last(recipe(made, "odd", SHAPE, odd)), context)


# ---- the job ------------------------------------------------------------------------------------------


def job_of(context, made, subject, **more):
    planned = made.keys.last(subject)
    return TrainingJob(context, planned, read_rows(planned, context), **more)


def test_a_checkpoint_is_trained_and_published_and_found_by_the_next_session(made, ground):
    pytest.importorskip("trl")
    pool = WorkerPool()
    context, reported = context_of(made, pool)
    work = job_of(context, made, ground)
    run(work)
    artifact = made.store.get("checkpoints", made.keys.fingerprint(ground))
    assert reported == [Trained("ground-mini pretrain")]
    assert artifact.record["why"] == "the first of its kind"
    assert artifact.record["rows_by_source"] == {"text": 10}
    assert artifact.record["environment"]["threads"] == threads()
    assert {"model.safetensors", "held_out_losses.json", "training_log.jsonl"} <= artifact.files.keys()
    assert not (made.store.root / "checkpoints" / f"{artifact.key}.partial").exists()
    assert work.rows == TrainingRows()  # let go of
    context, reported = context_of(made)
    run(job_of(context, made, ground))
    assert reported == []


def left_by_an_earlier_session(made, subject):
    """The folder of a training that ended before its checkpoint was published."""
    folder = made.store.work("checkpoints", made.keys.fingerprint(subject))
    (folder / "made").mkdir()
    (folder / "made" / "model.safetensors").write_bytes(b"weights")
    (folder / RECORD).write_text(json.dumps({"optimizer_steps": 4}))
    return folder


def test_what_an_earlier_session_made_whole_is_published_without_a_worker(made, ground):
    left_by_an_earlier_session(made, ground)
    context, reported = context_of(made)
    run(job_of(context, made, ground))
    artifact = made.store.get("checkpoints", made.keys.fingerprint(ground))
    assert artifact.record == {"optimizer_steps": 4, "why": "the first of its kind", "project": None}
    assert artifact.spec == json.loads(json.dumps(made.keys.last(ground).spec))
    assert reported == [Trained("ground-mini pretrain")]


def test_the_record_says_why_it_was_made(made, ground):
    for subject, again in (
        (ground, False),
        (recipe(made, "other", SHAPE, PRETRAIN, seed=4, micro_batch_size=2), False),
        (ground, True),
    ):
        made.store.discard([made.keys.fingerprint(subject)])
        left_by_an_earlier_session(made, subject)
        context, _ = context_of(made)
        run(job_of(context, made, subject, again=again))
    why = {artifact.key: artifact.record["why"] for artifact in made.store.all("checkpoints")}
    assert why[made.keys.fingerprint(ground)] == "asked for by --retrain"
    assert "differs in seed: 0 there, 4 here" in why[made.keys.fingerprint(made.recipes["other"]["mini"])]


def begin(made, work, device="cpu"):
    """Run the job in a session that is stopping: its worker is asked to end at once."""
    pool = WorkerPool()
    pool.stop()
    work.context = dataclasses.replace(work.context, pool=pool)
    with pytest.raises(WorkerFailed):
        run(work, device)
    return made.store.root / "checkpoints" / f"{work.planned.key}.partial"


def test_a_worker_finds_the_rows_and_the_task_in_its_folder(made, ground):
    context, _ = context_of(made)
    context = dataclasses.replace(context, track="wandb")
    work = job_of(context, made, ground)
    folder = begin(made, work)
    assert read_json_lines(folder / ROWS) == work.rows.rows
    assert read_json_lines(folder / HELD_OUT) == work.rows.held_out
    kept = tuple(row["id"] for row in work.rows.held_out)
    assert receive(folder / TASK) == dataclasses.replace(
        training_task(work.planned, made.keys.folders), device="cpu", threads=threads(), held_out=kept, track="wandb"
    )


def test_a_training_begun_elsewhere_goes_on_with_the_threads_it_began_with(made, ground):
    context, _ = context_of(made)
    folder = begin(made, job_of(context, made, ground))
    send(folder / TASK, dataclasses.replace(receive(folder / TASK), threads=1_000))
    (folder / "log.jsonl").write_text("kept")
    begin(made, job_of(context, made, ground))
    assert (folder / "log.jsonl").read_text() == "kept"
    assert receive(folder / TASK).threads == 1_000


@pytest.mark.parametrize("other", ["device", "held-out rows"])
def test_a_training_begun_on_another_device_or_watched_on_other_rows_is_begun_anew(made, ground, other):
    context, _ = context_of(made)
    folder = begin(made, job_of(context, made, ground))
    (folder / "log.jsonl").write_text("not kept")
    work = job_of(context, made, ground)
    if other == "held-out rows":
        work.rows.held_out.pop()
    begin(made, work, "cuda:0" if other == "device" else "cpu")
    assert not (folder / "log.jsonl").exists()
    assert receive(folder / TASK).threads == threads()


def test_a_job_waits_for_the_session_that_trains_the_same_and_takes_what_that_makes(made, ground):
    key = made.keys.fingerprint(ground)
    context, reported = context_of(made)
    work = job_of(context, made, ground)
    job = Job("k", "ground-mini pretrain", "train", work, progress=work.progress)
    with Store(made.store.root).lock(key, "another's training"):
        thread = Thread(target=work, args=(job, "cpu"))
        thread.start()
        while not job.progress().words.startswith("waiting for another's training (process "):
            time.sleep(0.01)
        folder = left_by_an_earlier_session(made, ground)
        made.store.publish("checkpoints", key, folder / "made", made.keys.last(ground).spec, {})
    thread.join(timeout=30)
    assert not thread.is_alive()
    [note] = reported
    assert isinstance(note, Note)
    assert note.text.startswith("ground-mini pretrain: waited for another's training (process ")
    assert job.progress().words == "starting"


def test_progress_is_read_from_the_last_whole_line_of_the_log(made, ground):
    context, _ = context_of(made)
    work = job_of(context, made, ground)
    assert work.progress() == Progress(words="starting")
    log = made.store.work("checkpoints", work.planned.key) / "log.jsonl"
    line = {"step": 10, "steps": 100, "loss": 2.5, "tokens": 5_000, "seconds": 50.0}
    write_json_lines(log, [{**line, "step": 9}, line])
    with log.open("a") as file:
        file.write('{"step": 11, "st')
    assert work.progress() == Progress(10, 100, "loss 2.500, 100 tokens/s, 7:30 left")
    write_json_lines(log, [{**line, "steps": 1_000, "eval_loss": 3.0}])
    assert work.progress().words.endswith("1:22:30 left")
    assert Path(log).exists()


def test_what_a_training_noticed_is_said(made, ground):
    """Each under its name in the record; what is zero is passed over."""
    context, reported = context_of(made)
    work = job_of(context, made, ground)
    folder = left_by_an_earlier_session(made, ground)
    record = {"training_rows": 1_200, "endless_rows": 1_200, "last_answer_rows": 0, "recomputes": True}
    (folder / "record.json").write_text(json.dumps(record))
    work(Job("k", "ground-mini pretrain", "train", work), "cpu")
    notes = [note.text for note in reported if isinstance(note, Note)]
    assert [note.split(",")[0] for note in notes] == [
        "ground-mini pretrain: in 1",
        "ground-mini pretrain: activations were recomputed in the backward pass",
    ]
    assert "1,200 of 1,200 rows no token that ends an answer" in notes[0]


@pytest.mark.parametrize(
    ("compute", "fast", "said"), [("bfloat16", False, 1), ("bfloat16", True, 0), ("float32", False, 0)]
)
def test_4_bit_weights_that_this_processor_is_slow_with_are_told(made, ground, monkeypatch, compute, fast, said):
    class Pool:
        def run(self, *_):
            return self

        def wait(self):
            raise WorkerFailed("ended")

    quantized = dataclasses.replace(FINETUNE, quantization=Quantization(compute=compute))
    alpha = recipe(made, "alpha", ground, quantized)
    monkeypatch.setattr("harness.jobs.train.cpu_computes_bfloat16", lambda: fast)
    context, reported = context_of(made, Pool())
    with pytest.raises(WorkerFailed):
        run(job_of(context, made, alpha))
    assert [note.text for note in reported].count(f"alpha-mini finetune: {SLOWLY}") == said
