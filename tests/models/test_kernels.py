"""Which kernels a worker may use: set before it loads or trains anything on a GPU."""

import pytest

torch = pytest.importorskip("torch")

from harness.models.loading.kernels import choose_kernels
from harness.models.loading.load import load_model
from harness.training.shared.start import start
from harness.worker.messages import TrainingTask


@pytest.fixture
def chosen(monkeypatch):
    found = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", found.append)
    return found


def test_cudnn_attention_is_left_out_on_a_gpu(chosen):
    choose_kernels("cuda:0")
    assert chosen == [False]


def test_on_a_processor_nothing_changes(chosen):
    choose_kernels("cpu")
    assert chosen == []


def test_every_model_that_is_loaded_and_every_training_chooses(chosen, model_at, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: self)  # there is no GPU to move it to
    load_model(model_at, device="cuda:0", dtype="float32")
    assert chosen == [False]
    start(TrainingTask(makes="x", name="x", kind="finetune", device="cuda:0"))
    assert chosen == [False, False]
