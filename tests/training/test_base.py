"""The base of a fine-tuning as its settings want it: whole, adapted, in 4 bits."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness import Lora, Quantization
from harness.errors import DeviceError, RecipeError
from harness.models.loading.load import load_model
from harness.training.finetuning.base import adapted as adapted_model
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


def test_an_adapter_stands_where_it_is_told_and_what_is_trained_whole_is_float32(base_at):
    settings = Lora(rank=2, target_modules=["q_proj"], modules_to_save=["norm"], use_dora=True)
    model = loaded(base_at, adapter=settings)
    adapted = {name.rsplit(".", 3)[0].rsplit(".", 1)[-1] for name in trained(model) if ".lora_A" in name}
    assert adapted == {"q_proj"}
    assert any("lora_magnitude" in name for name in trained(model))
    assert any("modules_to_save" in name and ".norm." in name for name in trained(model))
    narrow = load_model(base_at, device="cpu", dtype="bfloat16")
    weights = dict(adapted_model("n", narrow, settings).named_parameters())
    assert {str(weight.dtype) for weight in weights.values() if weight.requires_grad} == {"torch.float32"}
    assert {str(weight.dtype) for weight in weights.values() if not weight.requires_grad} == {"torch.bfloat16"}


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (Lora(rank=2, target_modules=["q_proj", "query"]), "n: Lora target_modules names 'query', which is no module"),
        (
            Lora(rank=2, modules_to_save=["head"]),
            "n: Lora modules_to_save names 'head', which is no module of the base",
        ),
    ],
)
def test_a_module_that_the_base_has_not_is_named(base_at, adapter, message):
    """peft passes over a name as long as another one fits."""
    with pytest.raises(RecipeError, match=message) as error:
        loaded(base_at, adapter=adapter)
    assert error.value.remedy.startswith("Its linear layers: down_proj, gate_proj, k_proj,")
    assert error.value.remedy.endswith("its embedding: embed_tokens.")


def test_a_head_that_is_the_embedding_is_not_trained_apart_from_it(base_at):
    model = load_model(base_at, device="cpu", dtype="float32")
    model.config.tie_word_embeddings = True
    for name in ("lm_head", "embed_tokens"):
        for adapter in (Lora(rank=2, modules_to_save=[name]), Lora(rank=2, target_modules=["q_proj", name])):
            with pytest.raises(RecipeError, match=f"names '{name}', and the base's head and embedding are one"):
                adapted_model("n", model, adapter)


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
