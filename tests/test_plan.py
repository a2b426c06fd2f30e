"""The plan at full scale carries the published numbers: rows, optimizer steps, weights; nothing is downloaded."""

from pathlib import Path

import pytest

import harness
from harness import Architecture
from harness.session.bench import Bench
from harness.session.options import Options
from harness.jobs.estimate import plan

pytest.importorskip("torch")
pytest.importorskip("transformers")

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
def bench(tmp_path_factory):
    return Bench.open(ROOT, tmp_path_factory.mktemp("store"), Options("full", train=False))


@pytest.fixture(scope="module")
def planned(bench):
    wanted = {name.rsplit("-", 1)[0] for name in PUBLISHED} | {"base", "untrained", "staged_260207", "wiki_chunks"}
    return {row["id"]: row for row in plan(bench, [s for s in bench.subjects() if s.recipe.name in wanted])}


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_steps_and_weights_are_the_published_ones(planned, name):
    row = planned[name]
    keys = ("rows", "optimizer_steps", "trainable_parameters", "total_parameters")
    assert tuple(row[key] for key in keys) == PUBLISHED[name]
    assert row["cached"] is False


def test_the_published_numbers_follow_from_each_other():
    for rows, steps, *_ in (PUBLISHED[name] for name in KNOWLEDGE):
        assert steps == -(-rows // 16) * 3  # 3 epochs of the steps that take 16 rows each, the last one fewer
    hidden, layers, key_value, inner = 3072, 28, 8 * 128, 8192  # of Llama 3.2 3B
    per_layer = 2 * (hidden + hidden) + 2 * (hidden + key_value) + 3 * (hidden + inner)  # q, o; k, v; gate, up, down
    assert 16 * layers * per_layer == PUBLISHED["wiki_only-3b"][2]


@pytest.mark.parametrize("name", KNOWLEDGE)
def test_the_settings_are_the_published_ones(bench, name):
    subject = bench.subject(*name.split("-"))
    (stage,) = subject.stages
    assert subject.micro_batch_size(stage) == {"3b": 4, "8b": 2}[subject.variant.name]
    assert (stage.effective_batch_size, stage.epochs, stage.learning_rate, stage.adapter.rank) == (16, 3, 2e-4, 16)
    assert (stage.adapter.alpha, stage.quantization) == (32, None)


def test_a_tenth_of_the_statistics_rows_is_held_out(planned, bench):
    row = planned["stats_qlora-3b"]
    assert (row["rows"], row["training_rows"], row["rows"] - row["training_rows"]) == (989, 890, 99)
    (stage,) = bench.subject("stats_qlora", "3b").stages
    assert [part.count["full"] for part in stage.data.parts] == [143, 846]
    assert (stage.effective_batch_size, stage.epochs, stage.learning_rate, stage.max_length) == (8, 3, 2e-4, 2_048)
    assert (stage.quantization.bits, stage.quantization.double, stage.template) == (4, True, "chatml")
    assert bench.subject("stats_qlora", "3b").micro_batch_size(stage) == 2


def test_all_weights_of_the_defect_model_are_trained_gently(bench):
    subject = bench.subject("software_defect", "1.1b")
    (stage,) = subject.stages
    assert (stage.adapter, stage.epochs, stage.learning_rate, stage.max_grad_norm) == (None, 10, 1e-5, 0.5)
    assert (subject.micro_batch_size(stage), stage.effective_batch_size, stage.schedule) == (1, 8, "cosine")


@pytest.mark.parametrize("variant", ["distilgpt2", "1.1b"])
def test_chunks_are_trained_on_as_published(bench, variant):
    subject = bench.subject("wiki_chunks", variant)
    (stage,) = subject.stages
    assert (stage.block_length, stage.epochs, stage.learning_rate, stage.eval_steps) == (1_024, 2, 1e-4, 100)
    assert (subject.micro_batch_size(stage), stage.effective_batch_size) == (1, 16)


def test_twelve_knowledge_models_stand_in_one_report(bench):
    trained = {s.id for s in bench.subjects() if s.variant.name in ("3b", "8b")} - {"stats_qlora-3b"}
    assert trained == {*KNOWLEDGE, "base-3b", "base-8b", "untrained-3b", "untrained-8b"}
    assert len(trained) - 2 == 12


def test_the_staged_recipe_carries_its_published_schedule(bench):
    subject = bench.subject("staged_260207", "full")
    pretrain, finetune = subject.stages
    assert [subject.micro_batch_size(stage) for stage in subject.stages] == [4, 4]
    assert (pretrain.effective_batch_size, pretrain.warmup_steps, pretrain.epochs) == (64, 2_000, 1)
    assert (pretrain.learning_rate, pretrain.min_learning_rate, pretrain.schedule) == (6e-4, 6e-5, "cosine")
    assert [part.portion for part in pretrain.data.parts] == [0.5, 0.5]
    assert (finetune.effective_batch_size, finetune.warmup_steps, finetune.epochs) == (32, 100, 3)
    assert (finetune.learning_rate, finetune.min_learning_rate) == (2e-5, 2e-6)


def test_the_staged_model_is_a_124_million_llama(bench, planned):
    row, shape = planned["staged_260207-full"], bench.subject("staged_260207", "full").variant.base
    assert isinstance(shape, Architecture)
    # tied embeddings; a layer: q, k, v, o; gate, up, down; two norms; and the last norm
    layer = 4 * 768 * 768 + 3 * 768 * 2048 + 2 * 768
    assert row["total_parameters"] == 50_257 * 768 + 12 * layer + 768 == row["trainable_parameters"]
    assert row["total_parameters"] == pytest.approx(124e6, rel=0.02)


def test_what_needs_no_training_plans_none(planned):
    for name in ("base-3b", "untrained-3b", "untrained-full"):
        assert planned[name]["stages"] == []
        assert planned[name]["trainable_parameters"] == 0
    assert planned["base-3b"]["cached"] is True
    assert planned["base-3b"]["total_parameters"] == planned["untrained-3b"]["total_parameters"] == 3_212_749_824


def test_an_unknown_number_is_none_and_not_zero(planned):
    assert planned["staged_260207-full"]["rows"] is None  # a share of what the hub holds
    assert planned["staged_260207-full"]["optimizer_steps"] is None


def test_memory_grows_with_the_model_and_stays_below_full_training(planned):
    small, large = planned["wiki_only-3b"]["memory_bytes"], planned["wiki_only-8b"]["memory_bytes"]
    assert 2 * 3_212_749_824 < small < large < 16 * 8_030_261_248
