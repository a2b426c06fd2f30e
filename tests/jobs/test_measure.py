"""One measuring job: each question is asked once, each suite is scored as soon as it is answered, each fails alone."""

import dataclasses
import json
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from harness import (
    Dataset,
    Embedded,
    Finetune,
    Generate,
    Mix,
    Overlap,
    Probe,
    Recipe,
    Sample,
    Suite,
    TrainingRecord,
    Variant,
)
from harness.errors import StatisticsError, StoreError, SuiteError
from harness.evaluation.asking.answers import store_answers
from harness.evaluation.asking.batches import in_drawn_order
from harness.evaluation.asking.questions import questions
from harness.fingerprint.values import digest
from harness.jobs.events import Measured, MeasuringFailed, Note, StoppedEarly
from harness.jobs.executor import Executor
from harness.jobs.job import Job, Progress
from harness.jobs.leases import Leases
from harness.jobs.measure import MeasuringJob
from harness.jobs.pool import WorkerPool
from harness.jobs.train import read_rows
from harness.scoring import loss_change, overlap_with_training
from harness.store import Store
from harness.worker.messages import PROGRESS, REQUEST, Answers, WorkerError, receive, write_answers
from tests.hand_made import RECORD, add, answered, measure
from tests.job_runs import context_of, run

PROMPTS = Dataset(name="prompts", mini=Embedded("tone_prompts"))
TALK = Dataset(name="talk", mini=Embedded("instructions"))
TALKS = TALK.rows(mini=8)
TUNED = Finetune(
    data=Mix(TALKS), held_out=Mix(TALKS.held_out(1, mini=3)), learning_rate=1e-3, epochs=1, effective_batch_size=4
)


def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])


def length(sample, output):
    return {"length": float(len(output["completion"]))}


def broken(sample, output):
    return {"length": output["no such answer"]}


LOOK = Suite(name="look", dataset=PROMPTS.rows(mini=6), to_sample=to_sample, scorer=length)


def job_of(made, subject, *suites, **how):
    """The job that measures the subject by these suites, and what it reports; its workers must not be asked."""
    context, reported = context_of(made, **how)
    wanted = [context.results.planned(suite, subject) for suite in suites]
    work = MeasuringJob(context, subject, context.results.keys.last(subject), wanted, list(made.suites.values()))
    return work, reported


def evaluation(made, planned):
    return made.results.by_key(planned.key)


# ---- answers that are there ---------------------------------------------------------------------------


def answers_in_store(made, planned, samples, record=None):
    """Store an answer to each sample, of one letter more each."""
    answers = [{"completion": "x" * i} for i in range(len(samples))]
    given = answered(samples, record=record, x=[0.0] * len(samples))
    store_answers(made.store, planned, dataclasses.replace(given, answers=answers))


def test_answers_in_the_store_are_scored_without_a_worker(made):
    work, reported = job_of(made, add(made, "alpha"), LOOK)
    [planned] = work.suites
    answers_in_store(made, planned, work.context.rows.samples(LOOK))
    assert work.progress() == Progress(0, 1, "reading samples")
    work.asking = made.store.root
    assert work.progress() == Progress(0, 1, "loading the model")
    under_way = {"suite": "look", "done": 0, "samples": 1200, "tokens": 90, "seconds": 0.5}
    for more, words in (
        ({}, "on look: 0/1,200 samples, 180 tokens/s"),
        ({"done": 300, "tokens": 40_000, "seconds": 25}, "on look: 300/1,200 samples, 1,600 tokens/s, 1:15 left"),
        ({"samples": 0}, "on look: 180 tokens/s"),
    ):
        (made.store.root / PROGRESS).write_text(json.dumps({**under_way, **more}))
        assert work.progress() == Progress(0, 1, words)
    run(work)
    assert reported == [Measured(planned.key, "alpha-mini look")]
    assert evaluation(made, planned)["length"] == 2.5
    assert work.progress() == Progress(1, 1, "")
    assert not work.failed
    assert not work.folder.exists()


def test_a_scorer_that_fails_leaves_the_answers_and_a_mended_one_needs_no_model(made):
    alpha = add(made, "alpha")
    work, reported = job_of(made, alpha, dataclasses.replace(LOOK, scorer=broken))
    [planned] = work.suites
    answers_in_store(made, planned, work.context.rows.samples(LOOK))
    run(work)
    [failed] = reported
    assert isinstance(failed, MeasuringFailed)
    assert failed.key == planned.key
    assert isinstance(failed.error, SuiteError)
    assert "broken fails with KeyError: 'no such answer'" in failed.error.problem
    assert work.failed
    assert evaluation(made, planned) is None
    assert made.store.holds("answers", planned.answers_key)
    mended, reported = job_of(made, alpha, LOOK)
    run(mended)
    assert reported == [Measured(mended.suites[0].key, "alpha-mini look")]


def test_one_suite_that_fails_leaves_the_others_measured(made):
    suites = [dataclasses.replace(LOOK, name="first", scorer=broken), dataclasses.replace(LOOK, name="second")]
    work, reported = job_of(made, add(made, "alpha"), *suites)
    answers_in_store(made, work.suites[0], work.context.rows.samples(LOOK))
    run(work)
    assert [type(event) for event in reported] == [MeasuringFailed, Measured]
    assert made.store.keys("answers") == [work.suites[1].answers_key]


def test_what_another_session_has_measured_meanwhile_is_left_alone(made):
    alpha = add(made, "alpha")
    stored = measure(made, alpha, x=[1.0, 0.0])
    work, reported = job_of(made, alpha, made.project.suite("tone"))
    run(work)
    assert reported == []
    assert evaluation(made, work.suites[0]) == stored


def test_a_job_waits_for_the_session_that_measures_the_same(made):
    work, reported = job_of(made, add(made, "alpha"), LOOK)
    answers_in_store(made, work.suites[0], work.context.rows.samples(LOOK))
    job = Job("k", "alpha-mini measuring", "measure", work, progress=work.progress)
    with Store(made.store.root).lock(f"measure-{work.planned.key}", "another's measuring"):
        thread = Thread(target=work, args=(job, "cpu"))
        thread.start()
        while not job.progress().words.startswith("waiting for another's measuring (process "):
            time.sleep(0.01)
        assert reported == []
    thread.join(timeout=30)
    assert job.progress() == Progress(1, 1, "")
    assert [type(event) for event in reported] == [Measured]


def test_other_tokens_for_the_same_questions_raise_an_alarm(made):
    alpha, suite = add(made, "alpha"), dataclasses.replace(made.project.suite("tone"), scorer=length)
    context, _ = context_of(made)
    planned = context.results.planned(suite, alpha)
    samples = context.rows.samples(suite)
    earlier = dataclasses.replace(planned, spec={**planned.spec, "code": "of an earlier harness"})
    folder = made.store.work("evaluations", earlier.key) / "made"
    folder.mkdir()
    made.store.publish("evaluations", earlier.key, folder, earlier.spec, {"prompt_digest": "then"})
    answers_in_store(made, planned, samples, {"prompt_digest": "now"})
    work, reported = job_of(made, alpha, suite)
    run(work)
    note = next(event for event in reported if isinstance(event, Note))
    assert note.text == (
        f"prompt drift: suite tone on alpha-mini renders other tokens than in evaluation {earlier.key[:8]}, "
        "though the suite is unchanged; the two do not compare"
    )


def test_a_model_that_shares_no_prefixes_is_told_with_the_reason(made):
    work, reported = job_of(made, add(made, "alpha"), LOOK)
    record = {"engine": "plain: it takes no position ids"}
    answers_in_store(made, work.suites[0], work.context.rows.samples(LOOK), record)
    run(work)
    assert Note("alpha-mini: scored without sharing prefixes, since it takes no position ids") in reported


# ---- without a model ----------------------------------------------------------------------------------


@pytest.fixture
def tuned(made):
    """A subject trained on rows of its own, whose checkpoint is published with its record and nothing else."""
    made.recipes["tuned"] = Recipe(
        name="tuned", stages=[TUNED], variants=[Variant("mini", base="org/base", scale="mini")]
    )
    subject = made.recipes["tuned"]["mini"]
    stage = made.keys.last(subject)
    context, _ = context_of(made)
    held_out = [row["id"] for row in read_rows(stage, context).held_out]
    folder = made.store.work("checkpoints", stage.key) / "made"
    folder.mkdir()
    losses = {"before": dict.fromkeys(held_out, 3.0), "after": {name: 2.0 + i for i, name in enumerate(held_out)}}
    (folder / "held_out_losses.json").write_text(json.dumps(losses))
    made.store.publish("checkpoints", stage.key, folder, stage.spec, {"device": "cuda:0", "environment": {"os": "x"}})
    return subject


def test_a_checkpoints_own_record_is_scored_without_a_model(made, tuned):
    work, reported = job_of(made, tuned, Suite(name="training", asks=[TrainingRecord()], scorer=loss_change))
    run(work)
    assert reported == [Measured(work.suites[0].key, "tuned-mini training")]
    found = evaluation(made, work.suites[0])
    assert (found["held_out_loss_before"], found["held_out_loss"], found["held_out_loss_change"]) == (3.0, 3.0, 0.0)
    assert (found.record["device"], found.record["environment"]) == ("cuda:0", {"os": "x"})
    assert made.store.keys("answers") == []


def test_training_rows_are_looked_through_for_every_item_of_the_project(made, tuned):
    work, reported = job_of(made, tuned, Suite(name="contamination", asks=[Overlap(n=8)], scorer=overlap_with_training))
    run(work)
    assert reported == [Measured(work.suites[0].key, "tuned-mini contamination")]
    found = evaluation(made, work.suites[0])
    assert set(found.metrics) == {"shared", "touched", "quiz", "tone", "share"}
    assert found.available == 3 * 260


def test_a_model_without_a_training_of_its_own_has_nothing_to_look_at(made):
    work, reported = job_of(
        made, add(made, "alpha"), Suite(name="training", asks=[TrainingRecord()], scorer=loss_change)
    )
    run(work)
    [failed] = reported
    assert failed.error.problem == "suite training: alpha-mini has no training of its own to look at."


# ---- asked of a model ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool():
    """Model workers, warm from one test to the next."""
    pool = WorkerPool()
    yield pool
    pool.stop()
    pool.let_go()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a small model whose context has room for the prompts."""
    pytest.importorskip("torch")
    from tests.tiny_models import saved_llama

    return saved_llama(tmp_path_factory.mktemp("model"), vocabulary=500, context=320).path


@pytest.fixture
def own(made, model):
    """A subject that is the model in that folder."""
    made.recipes["own"] = Recipe(name="own", variants=[Variant("mini", base=model, scale="mini")])
    return made.recipes["own"]["mini"]


ASKED = dataclasses.replace(LOOK, asks=[Generate(max_new_tokens=4)])
TWIN = dataclasses.replace(ASKED, name="twin", scorer=broken)
TOO_LONG = dataclasses.replace(LOOK, name="too_long", asks=[Generate(max_new_tokens=4_000)])


def test_the_dtype_is_the_keys_whichever_of_several_gpus_answers(made, own, tmp_path, monkeypatch):
    """A machine may hold GPUs with bfloat16 and without."""
    work, _ = job_of(made, own, ASKED)
    of_keys = dataclasses.replace(made.results.keys, device="cuda:0", exact=True)
    monkeypatch.setattr(work.context.results, "keys", of_keys)
    work._write_request(tmp_path, [], SimpleNamespace(threads=1), "cuda:1")
    request = receive(tmp_path / REQUEST)
    assert (request.dtype, request.fixed_batches) == of_keys.arithmetic == ("float32", True)


def test_suites_that_ask_the_same_are_asked_once_and_each_fails_alone(made, own, pool):
    work, reported = job_of(made, own, ASKED, TWIN, TOO_LONG, pool=pool)
    run(work)
    asked, twin, too_long = work.suites
    assert asked.answers_key == twin.answers_key
    request = receive(work.folder / REQUEST)
    assert [suite.key for suite in request.suites] == [asked.answers_key, too_long.answers_key]
    assert (request.measures, request.dtype, request.device) == (work.planned.key, "float32", "cpu")
    failed = {event.key: event.error.problem for event in reported if isinstance(event, MeasuringFailed)}
    assert set(failed) == {twin.key, too_long.key}
    assert "broken fails with KeyError" in failed[twin.key]
    assert failed[too_long.key].startswith("own-mini too_long: sample ")  # raised again from the worker
    assert [event for event in reported if isinstance(event, Measured)] == [Measured(asked.key, "own-mini look")]
    assert made.store.keys("answers") == [asked.answers_key]
    assert evaluation(made, asked).record["engine"] == "tree"
    assert (work.folder / "worker.log").exists()  # of use, since something failed
    assert not list(work.folder.glob(f"{asked.answers_key}.json"))


def test_what_idle_devices_help_with_has_the_same_answers_and_is_reported_once(made, own, pool):
    several = [
        dataclasses.replace(ASKED, name=f"look_{count}", asks=[Generate(max_new_tokens=count)]) for count in range(2, 9)
    ]
    found = []
    for devices in (1, 2):
        work, reported = job_of(made, own, *several, TOO_LONG, pool=pool)
        job = Job("k", "job", "measure", work, progress=work.progress, devices=devices, helped=work.help)
        executor = Executor(["cpu"] * devices, lambda: None, Leases())
        executor.start([job])
        assert job.ended.wait(240)
        assert job.error is None
        for thread in executor.threads:
            thread.join()
        assert len(executor.threads) == devices
        assert [event.key for event in reported if isinstance(event, MeasuringFailed)] == [work.suites[-1].key]
        assert sorted(e.key for e in reported if isinstance(e, Measured)) == sorted(one.key for one in work.suites[:-1])
        found.append({one.key: evaluation(made, one).samples for one in work.suites[:-1]})
        made.store.discard([key for kind in ("answers", "evaluations") for key in made.store.keys(kind)])
    assert found[0] == found[1]
    assert all(found[0].values())


def test_what_was_begun_goes_on_with_the_threads_it_began_with(made, own, pool):
    work, _ = job_of(made, own, ASKED, TWIN, pool=pool)
    run(work, threads=2)
    assert receive(work.folder / REQUEST).threads == 2
    run(job_of(made, own, ASKED, TWIN, pool=pool)[0], threads=1)
    assert receive(work.folder / REQUEST).threads == 2


def test_answers_that_a_killed_session_left_are_not_asked_again(made, own, pool):
    work, reported = job_of(made, own, ASKED, pool=pool)
    [planned] = work.suites
    answers = Answers([{"completion": "x" * 7} for _ in range(6)], RECORD)
    work.folder.mkdir(parents=True)
    write_answers(work.folder / f"{planned.answers_key}.json", answers)
    run(work)
    assert evaluation(made, planned)["length"] == 7.0
    assert reported == [Measured(planned.key, "own-mini look")]
    assert not work.folder.exists()


def test_a_model_that_cannot_be_loaded_fails_the_whole_job(made, own, pool, model):
    work, reported = job_of(made, own, ASKED, pool=pool)
    weights = Path(model) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    pool.let_go()  # of what is loaded already
    try:
        with pytest.raises(StoreError, match=f"own-mini measuring: directory {model} cannot be loaded"):
            run(work)
    finally:
        weights.write_bytes(whole)
    assert reported == []


def test_after_an_error_that_may_have_broken_the_worker_a_fresh_one_answers_the_rest(made, own, pool):
    """On a GPU every call after a failed assertion fails, and so would every suite after it."""
    context, reported = context_of(made, pool)
    suites = [
        dataclasses.replace(LOOK, name=name, asks=[ask])
        for name, ask in (
            ("before", Generate(max_new_tokens=2)),
            ("breaks", Probe()),
            ("after", Generate(max_new_tokens=3)),
        )
    ]
    object.__setattr__(suites[1].asks[0], "dtypes", ("float31",))  # which a suite could not declare
    wanted = [context.results.planned(suite, own) for suite in suites]
    run(MeasuringJob(context, own, wanted[0].checkpoint, wanted))
    before, breaks, after = reported
    assert (before, after) == (Measured(wanted[0].key, "own-mini before"), Measured(wanted[2].key, "own-mini after"))
    assert "AttributeError" in breaks.error.problem
    assert [worker.idle for worker in pool._warm] == [False, True]


# ---- until decided ------------------------------------------------------------------------------------

LONG = dataclasses.replace(LOOK, name="long", dataset=PROMPTS.rows(mini=40))


def adaptive(made, decided, **how):
    """A job of one suite of 40 samples that may be stopped, the evaluation wanted, and what it reports."""
    alpha = add(made, "alpha")
    context, reported = context_of(made, decided=decided, **how)
    planned = context.results.planned(LONG, alpha).adaptive({"subject": "alpha-mini", "against": []})
    return MeasuringJob(context, alpha, planned.checkpoint, [planned]), planned, reported


def answers_of_batches(work, planned, *sizes, **record):
    """Answers to the first batches, as an earlier session left them."""
    for number, size in enumerate(sizes):
        folder = work.folder.with_name(f"{planned.answers_key}-{number}")
        folder.mkdir(parents=True)
        answers = Answers([{"completion": "x"} for _ in range(size)], dataclasses.replace(RECORD, **record))
        write_answers(folder / f"{planned.answers_key}.json", answers)


def test_a_suite_is_stopped_after_the_batch_that_decides(made):
    seen = []

    def decided(planned, so_far):
        seen.append((planned, len(so_far.samples), so_far.available))
        return True

    work, planned, reported = adaptive(made, decided)
    answers_of_batches(work, planned, 16)
    run(work)
    assert seen == [(planned, 16, 40)]
    assert reported == [StoppedEarly("alpha-mini long", 24, 40), Measured(planned.key, "alpha-mini long")]
    found = evaluation(made, planned)
    assert (len(found.samples), found.spared, found.scored, found.adaptive) == (16, 24, 40, True)
    samples = [sample for sample, _ in questions(LONG, work.context.rows.rows(LONG))]
    assert [s.sample_id for s in found.samples] == [samples[i].id for i in in_drawn_order(samples)[:16]]
    assert not list(work.folder.parent.iterdir())


def test_an_undecided_suite_is_asked_to_its_end_and_its_batches_add_up(made):
    looks = []
    work, planned, reported = adaptive(made, lambda planned, so_far: looks.append(len(so_far.samples)))
    answers_of_batches(
        work, planned, 16, 16, 8, seconds=1.5, tokens=10, prompt_digest="d", energy_joules=2.0, peak_memory_bytes=7
    )
    run(work)
    assert looks == [16, 32]  # after the last batch there is nothing to decide
    assert reported == [Measured(planned.key, "alpha-mini long")]
    record = evaluation(made, planned).record
    assert (record["samples"], record["seconds"], record["tokens"]) == (40, 4.5, 30)
    assert (record["energy_joules"], record["peak_memory_bytes"]) == (6.0, 7)
    assert record["prompt_digest"] == digest([digest(["d", "d"]), "d"])


def test_energy_that_one_batch_does_not_know_is_not_known(made):
    work, planned, _ = adaptive(made, lambda planned, so_far: False)
    answers_of_batches(work, planned, 16, 16, energy_joules=2.0)
    folder = work.folder.with_name(f"{planned.answers_key}-2")
    folder.mkdir()
    write_answers(folder / f"{planned.answers_key}.json", Answers([{"completion": "x"}] * 8, RECORD))
    run(work)
    assert evaluation(made, planned).record["energy_joules"] is None


def test_a_score_that_concerns_none_of_the_samples_so_far_decides_nothing(made):
    def decided(planned, so_far):
        if len(so_far.samples) < 32:
            raise StatisticsError("concerns none of the samples")
        return True

    work, planned, reported = adaptive(made, decided)
    answers_of_batches(work, planned, 16, 16)
    run(work)
    assert reported[0] == StoppedEarly("alpha-mini long", 8, 40)


def test_a_batch_that_failed_is_asked_again_and_those_before_it_are_not(made):
    work, planned, reported = adaptive(made, lambda planned, so_far: False)
    answers_of_batches(work, planned, 16)
    folder = work.folder.with_name(f"{planned.answers_key}-1")
    folder.mkdir()
    write_answers(folder / f"{planned.answers_key}.json", WorkerError("SuiteError", "sample 3 is odd", ""))
    run(work)
    [failed] = reported
    assert failed.error.problem == "alpha-mini long: sample 3 is odd"
    left = [path.parent.name for path in work.folder.parent.rglob(f"{planned.answers_key}.json")]
    assert left == [f"{planned.answers_key}-0"]


def test_batches_are_asked_of_a_model_one_after_the_other_until_it_is_decided(made, own, pool):
    suite = dataclasses.replace(LONG, asks=[Generate(max_new_tokens=2)])
    context, reported = context_of(made, pool, decided=lambda planned, so_far: len(so_far.samples) == 32)
    planned = context.results.planned(suite, own).adaptive({"subject": "own-mini", "against": []})
    run(MeasuringJob(context, own, planned.checkpoint, [planned]))
    assert reported == [StoppedEarly("own-mini long", 8, 40), Measured(planned.key, "own-mini long")]
    assert made.store.keys("answers") == [planned.answers_key]
    whole = context.results.planned(suite, own)
    assert whole.answers_key != planned.answers_key
