"""The base of a fine-tuning as its settings want it: whole, adapted, in 4 bits."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness import Quantization
from harness.errors import DeviceError
from harness.training.finetuning.base import check_quantization, load_base
from harness.worker.messages import TrainingTask
from tests.training_tasks import ADAPTED


def loaded(place, **settings):
    settings = replace(ADAPTED, **settings)
    return load_base(TrainingTask(makes="k", name="n", kind="finetune", base=place, settings=settings), settings)


def trained(model):
    """Names of the weights that training would change."""
    return [name for name, weight in model.named_parameters() if weight.requires_grad]


def test_an_adapter_stands_on_every_linear_layer_but_the_head_and_alone_is_trained(base_at):
    model = loaded(base_at)
    assert all(".lora_" in name for name in trained(model))
    assert len(trained(model)) == 2 * 7 * 2  # two matrices on each of q, k, v, o, gate, up and down of two layers
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_without_an_adapter_every_weight_is_trained(base_at):
    model = loaded(base_at, adapter=None)
    assert len(trained(model)) == len(list(model.parameters()))


def test_a_base_in_4_bits_stays_so_under_its_adapter(base_at):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    model = loaded(base_at, quantization=Quantization())
    layer = model.get_base_model().model.layers[0].mlp.up_proj.base_layer
    assert isinstance(layer, bitsandbytes.nn.Linear4bit)
    assert layer.weight.quant_state.quant_type == "nf4"
    assert all(".lora_" in name for name in trained(model))


def test_a_device_without_4_bit_kernels_is_named():
    with pytest.raises(DeviceError, match=r"mine-3b: bitsandbytes cannot compute with 4-bit weights on meta \("):
        check_quantization("mine-3b", Quantization(), "meta")
