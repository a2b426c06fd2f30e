"""The plan at full scale carries the published numbers: rows, optimizer steps, weights; nothing is downloaded."""

import dataclasses
from pathlib import Path

import pytest

import harness
from harness import Architecture, Dataset, Embedded, Files, Finetune, Fresh, Hub, Lora, Mix, Quantization
from harness.data.reading.rows import Access, load
from harness.evaluation import StoredResults
from harness.jobs.estimate import LENGTH_GUESS, architecture_of, plan
from harness.session.options import Options
from harness.session.setup import open_setup
from harness.store import Store
from harness.worker.sizes import training_memory
from tests.fingerprint.stages import FACTS, PRETRAIN, SHAPE, keys_of, subject

ROOT = Path(harness.__file__).parents[1]
PUBLISHED = {  # id -> rows, optimizer steps, trainable weights, all weights
    "wiki_only-3b": (24_982, 4_686, 24_313_856, 3_212_749_824),
    "wiki_only-8b": (24_982, 4_686, 41_943_040, 8_030_261_248),
    "with_kilt-3b": (34_982, 6_561, 24_313_856, 3_212_749_824),
    "with_kilt-8b": (34_982, 6_561, 41_943_040, 8_030_261_248),
    "wikidata_only-3b": (10_000, 1_875, 24_313_856, 3_212_749_824),
    "wikidata_only-8b": (10_000, 1_875, 41_943_040, 8_030_261_248),
    "wikipedia_only-3b": (14_982, 2_811, 24_313_856, 3_212_749_824),
    "wikipedia_only-8b": (14_982, 2_811, 41_943_040, 8_030_261_248),
    "kilt_only-3b": (10_000, 1_875, 24_313_856, 3_212_749_824),
    "kilt_only-8b": (10_000, 1_875, 41_943_040, 8_030_261_248),
    "stats_qlora-3b": (989, 336, 24_313_856, 3_212_749_824),
    "software_defect-1.1b": (145, 190, 1_100_048_384, 1_100_048_384),
    "software_defect_lora-1.1b": (145, 190, 12_615_680, 1_100_048_384),
}
KNOWLEDGE = [name for name in PUBLISHED if name.endswith(("3b", "8b")) and not name.startswith("stats")]


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return open_setup(ROOT, Store(tmp_path_factory.mktemp("store")), Options("full", train=False))


@pytest.fixture(scope="module")
def project(setup):
    return setup.project


@pytest.fixture(scope="module")
def planned(setup):
    wanted = {name.rsplit("-", 1)[0] for name in PUBLISHED} | {"base", "untrained", "staged_260207", "wiki_chunks"}
    subjects = [s for s in setup.project.subjects() if s.recipe.name in wanted]
    return {one.id: one for one in plan(setup.results_without_data, subjects)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_steps_and_weights_are_the_published_ones(planned, name):
    row = planned[name]
    found = (row.rows, row.optimizer_steps, row.trainable_parameters, row.total_parameters)
    assert found == PUBLISHED[name]
    assert row.cached is False


def test_the_published_numbers_follow_from_each_other():
    for rows, steps, *_ in (PUBLISHED[name] for name in KNOWLEDGE):
        assert steps == -(-rows // 16) * 3  # 3 epochs of the steps that take 16 rows each, the last one fewer
    hidden, layers, key_value, inner = 3072, 28, 8 * 128, 8192  # of Llama 3.2 3B
    per_layer = 2 * (hidden + hidden) + 2 * (hidden + key_value) + 3 * (hidden + inner)  # q, o; k, v; gate, up, down
    assert 16 * layers * per_layer == PUBLISHED["wiki_only-3b"][2]


@pytest.mark.parametrize("name", KNOWLEDGE)
def test_the_settings_are_the_published_ones(project, name):
    subject = project.subject(*name.split("-"))
    (stage,) = subject.stages
    assert subject.micro_batch_size(stage) == {"3b": 4, "8b": 2}[subject.variant.name]
    assert (stage.effective_batch_size, stage.epochs, stage.learning_rate, stage.adapter.rank) == (16, 3, 2e-4, 16)
    assert (stage.adapter.alpha, stage.quantization) == (32, None)


def test_a_tenth_of_the_statistics_rows_is_held_out(planned, project):
    row = planned["stats_qlora-3b"]
    assert (row.rows, row.training_rows, row.rows - row.training_rows) == (989, 890, 99)
    (stage,) = project.subject("stats_qlora", "3b").stages
    assert [part.count["full"] for part in stage.data.parts] == [143, 846]
    assert (stage.effective_batch_size, stage.epochs, stage.learning_rate, stage.max_length) == (8, 3, 2e-4, 2_048)
    assert (stage.quantization.bits, stage.quantization.double, stage.template) == (4, True, "chatml")
    assert project.subject("stats_qlora", "3b").micro_batch_size(stage) == 2


def test_all_weights_of_the_defect_model_are_trained_gently(project):
    subject = project.subject("software_defect", "1.1b")
    (stage,) = subject.stages
    assert (stage.adapter, stage.epochs, stage.learning_rate, stage.max_grad_norm) == (None, 10, 1e-5, 0.5)
    assert (subject.micro_batch_size(stage), stage.effective_batch_size, stage.schedule) == (1, 8, "cosine")


@pytest.mark.parametrize("variant", ["distilgpt2", "1.1b"])
def test_chunks_are_trained_on_as_published(project, variant):
    subject = project.subject("wiki_chunks", variant)
    (stage,) = subject.stages
    assert (stage.block_length, stage.epochs, stage.learning_rate, stage.eval_steps) == (1_024, 2, 1e-4, 100)
    assert (subject.micro_batch_size(stage), stage.effective_batch_size) == (1, 16)


def test_twelve_knowledge_models_stand_in_one_report(project):
    trained = {s.id for s in project.subjects() if s.variant.name in ("3b", "8b")} - {"stats_qlora-3b"}
    assert trained == {*KNOWLEDGE, "base-3b", "base-8b", "untrained-3b", "untrained-8b"}
    assert len(trained) - 2 == 12


def test_the_staged_recipe_carries_its_published_schedule(project):
    subject = project.subject("staged_260207", "full")
    pretrain, finetune = subject.stages
    assert [subject.micro_batch_size(stage) for stage in subject.stages] == [4, 4]
    assert (pretrain.effective_batch_size, pretrain.warmup_steps, pretrain.epochs) == (64, 2_000, 1)
    assert (pretrain.learning_rate, pretrain.min_learning_rate, pretrain.schedule) == (6e-4, 6e-5, "cosine")
    assert [part.portion for part in pretrain.data.parts] == [0.5, 0.5]
    assert (finetune.effective_batch_size, finetune.warmup_steps, finetune.epochs) == (32, 100, 3)
    assert (finetune.learning_rate, finetune.min_learning_rate) == (2e-5, 2e-6)


def test_the_staged_model_is_a_124_million_llama(project, planned):
    row, shape = planned["staged_260207-full"], project.subject("staged_260207", "full").variant.base
    assert isinstance(shape, Architecture)
    # tied embeddings; a layer: q, k, v, o; gate, up, down; two norms; and the last norm
    layer = 4 * 768 * 768 + 3 * 768 * 2048 + 2 * 768
    assert row.total_parameters == 50_257 * 768 + 12 * layer + 768 == row.trainable_parameters
    assert row.total_parameters == pytest.approx(124e6, rel=0.02)


def test_what_needs_no_training_plans_none(planned):
    for name in ("base-3b", "untrained-3b", "untrained-full"):
        assert planned[name].stages == ()
        assert planned[name].trainable_parameters == 0
    assert planned["base-3b"].cached is True
    assert planned["base-3b"].total_parameters == planned["untrained-3b"].total_parameters == 3_212_749_824


def test_an_unknown_number_is_none_and_not_zero(planned):
    assert planned["staged_260207-full"].rows is None  # a share of what the hub holds
    assert planned["staged_260207-full"].optimizer_steps is None


def test_memory_grows_with_the_model_and_stays_below_full_training(planned):
    small, large = planned["wiki_only-3b"].memory_bytes, planned["wiki_only-8b"].memory_bytes
    assert 2 * 3_212_749_824 < small < large < 16 * 8_030_261_248


# ---- small plans --------------------------------------------------------------------------------------

TUNE = Finetune(
    data=Mix(FACTS.rows(mini=21)), learning_rate=2e-4, epochs=3, effective_batch_size=4, adapter=Lora(rank=2)
)


def planned_alone(tmp_path, *subjects, **keys):
    """The plans of subjects of no project."""
    keys = keys_of(tmp_path, without_data=True, **keys)
    return plan(StoredResults(Store(tmp_path / "store"), keys, judging_only=True), subjects)


def test_the_last_step_of_an_epoch_takes_what_is_left(tmp_path):
    [found] = planned_alone(tmp_path, subject([TUNE], base="org/model"))
    assert (found.rows, found.training_rows) == (21, 21)
    assert found.optimizer_steps == 3 * 6
    half = subject([dataclasses.replace(TUNE, epochs=0.5)], base="org/model")
    assert planned_alone(tmp_path, half)[0].optimizer_steps == 3


def test_rows_that_are_not_declared_are_counted_where_they_are_at_hand(tmp_path):
    split, _ = Mix(Dataset(name="facts", mini=Embedded("facts", text="statement"))).split(50, mini=10)
    [found] = planned_alone(tmp_path, subject([dataclasses.replace(TUNE, data=split)], base="org/model"))
    assert found.training_rows == found.rows - 10
    assert found.rows == len(load(Mix(FACTS), Access("mini")).rows)
    for absent in (Files("absent.jsonl"), Hub("org/rows")):
        stage = dataclasses.replace(TUNE, data=Mix(Dataset(name="rows", full=absent)))
        [found] = planned_alone(tmp_path, subject([stage], base="org/model", scale="full"))
        assert (found.rows, found.training_rows, found.optimizer_steps) == (None, None, None)


def test_blocks_are_known_once_they_were_trained_on(tmp_path):
    packed = subject([PRETRAIN])
    [before] = planned_alone(tmp_path, packed)
    assert (before.rows, before.training_rows, before.optimizer_steps, before.cached) == (50, None, None, False)
    stored = keys_of(tmp_path).last(packed)
    store = Store(tmp_path / "store")
    made = store.work("checkpoints", stored.key) / "made"
    made.mkdir()
    store.publish("checkpoints", stored.key, made, stored.spec, {"training_rows": 17})
    [after] = planned_alone(tmp_path, packed)
    assert (after.rows, after.training_rows, after.optimizer_steps, after.cached) == (50, 17, 3, True)
    assert after.fingerprint == before.fingerprint == stored.key
    documents = subject([dataclasses.replace(PRETRAIN, packing=False)])
    assert planned_alone(tmp_path, documents)[0].training_rows == 50


def test_a_plan_sums_its_own_stages_and_leaves_its_bases_out(tmp_path):
    ground = subject([PRETRAIN], "ground")
    [both] = planned_alone(tmp_path, subject([dataclasses.replace(PRETRAIN, packing=False), TUNE]))
    assert [stage.stage for stage in both.stages] == ["pretrain", "finetune"]
    assert both.rows == 50 + 21
    assert both.optimizer_steps == 7 + 18
    [over] = planned_alone(tmp_path, subject([TUNE], base=ground))
    assert [stage.stage for stage in over.stages] == ["finetune"]
    assert (over.rows, over.total_parameters) == (21, both.total_parameters)


def test_the_shape_of_a_model_is_declared_or_published_or_not_known():
    ground = subject([PRETRAIN], "ground")
    assert architecture_of(ground) == SHAPE
    assert architecture_of(subject([TUNE], base=ground)) == architecture_of(subject(base=Fresh(ground))) == SHAPE
    published = architecture_of(subject(base="distilbert/distilgpt2"))
    assert published.family == "gpt2"
    assert architecture_of(subject(base=Fresh("distilbert/distilgpt2"))) == published
    assert architecture_of(subject(base="org/model")) is None


def test_of_an_unknown_shape_neither_weights_nor_memory_are_known(tmp_path):
    [found] = planned_alone(tmp_path, subject([TUNE], base="org/model"))
    assert (found.trainable_parameters, found.total_parameters, found.memory_bytes) == (None, None, None)


def test_memory_is_counted_for_the_rows_the_adapter_and_the_optimizer_of_the_stage(tmp_path):
    ground = subject([PRETRAIN], "ground")
    tokens = 4 * 64  # rows of a forward pass, each as long as the context, which is shorter than the guess
    assert SHAPE.context_length < LENGTH_GUESS
    for changed, counted in (
        ({"adapter": None}, {"adapter": None}),
        ({}, {"adapter": TUNE.adapter}),
        ({"quantization": Quantization()}, {"adapter": TUNE.adapter, "nf4": True}),
        ({"adapter": None, "optimizer": "adamw_8bit"}, {"adapter": None, "optimizer": "adamw_8bit"}),
    ):
        [found] = planned_alone(tmp_path, subject([dataclasses.replace(TUNE, **changed)], base=ground))
        assert found.memory_bytes == training_memory(SHAPE, tokens, **counted).total, changed
    [alone] = planned_alone(tmp_path, subject([TUNE], base=ground, micro_batch_size=1))
    assert alone.memory_bytes == training_memory(SHAPE, 64, adapter=TUNE.adapter).total
