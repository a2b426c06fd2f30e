"""A task's settings as the Trainer's arguments: nothing is left to a library's default."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from harness.training.shared.arguments import arguments, must_recompute, training_dtype
from harness.worker.messages import TASK, receive
from tests.tiny_models import tiny
from tests.training_tasks import SETTINGS, finish, log_of, weights, write_task


@pytest.mark.parametrize("optimizer", ["adamw_fused", "adamw_8bit"])
def test_another_optimizer_learns_as_well(pretrained, tmp_path, optimizer):
    folder = write_task(tmp_path, optimizer, replace(SETTINGS, optimizer=optimizer, epochs=1))
    assert finish(folder) == 0, log_of(folder)
    losses = json.loads((folder / "made" / "held_out_losses.json").read_text())
    assert sum(losses["after"].values()) < 0.95 * sum(losses["before"].values())
    assert weights(folder) != weights(pretrained)


@pytest.fixture
def on_cpu(tmp_path):
    return receive(write_task(tmp_path, "task", SETTINGS) / TASK)


def test_every_setting_of_a_task_reaches_the_trainer(on_cpu, tmp_path):
    task = replace(on_cpu, seed=7, save_steps=None)
    made = arguments(tmp_path, task, tiny("llama"), [[1] * 8] * 90)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (2, 2)
    assert (made.learning_rate, made.lr_scheduler_kwargs, made.warmup_steps) == (5e-3, {"min_lr": 5e-4}, 3)
    assert (made.weight_decay, made.adam_beta1, made.adam_beta2, made.max_grad_norm) == (0.1, 0.9, 0.95, 1.0)
    assert (made.seed, made.data_seed, made.num_train_epochs) == (7, 7, 2)
    assert made.save_steps == 20  # a fifth of 46 steps, and 20 at least
    assert made.report_to == []


def test_precision_follows_the_device_unless_it_is_declared(on_cpu):
    assert training_dtype(on_cpu) == "float32"
    assert training_dtype(replace(on_cpu, settings=replace(SETTINGS, precision="bfloat16"))) == "bfloat16"


def test_a_processor_never_recomputes_activations(on_cpu):
    assert must_recompute(tiny("llama"), [[1] * 10_000] * 4, on_cpu) is False


def test_a_gpu_that_only_emulates_bfloat16_trains_in_float32(on_cpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert training_dtype(replace(on_cpu, device="cuda:0")) == "float32"


@pytest.mark.parametrize(("free", "recomputes"), [(0.99, True), (1.2, False)])
def test_activations_are_recomputed_where_the_counted_memory_does_not_fit(on_cpu, monkeypatch, free, recomputes):
    from harness.training.shared import arguments as module
    from harness.worker.sizes import training_memory

    model = tiny("llama")
    counted = training_memory(module.shape_of(model.config), 2 * 600, adapter=None, narrow=False).beside_weights
    monkeypatch.setattr(module, "free_memory_bytes", lambda device: int(free * counted / module.MAY_FILL))
    task = replace(on_cpu, device="cuda:0", settings=replace(SETTINGS, precision="float32"))
    assert must_recompute(model, [[1] * 500, [1] * 600, [1] * 600], task) is recomputes
