"""Weights counted from a shape, against models that torch builds of it on the meta device: no memory, no download."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers.pytorch_utils import Conv1D

from harness import Architecture
from harness.jobs.published import PUBLISHED
from harness.sizes import parameters
from harness.training.pretraining.fresh import fresh_model

LLAMA = Architecture(
    hidden_size=24, layers=3, heads=6, key_value_heads=2, intermediate_size=40, vocabulary_size=97, context_length=32
)
GPT2 = dataclasses.replace(LLAMA, family="gpt2", key_value_heads=6)
SMALL = {
    "llama": LLAMA,
    "llama with its own head": dataclasses.replace(LLAMA, tied_embeddings=False),
    "llama with wide heads": dataclasses.replace(LLAMA, head_size=10),
    "llama with a head for each query": dataclasses.replace(LLAMA, key_value_heads=6),
    "llama of one layer": dataclasses.replace(LLAMA, layers=1),
    "gpt2": GPT2,
    "gpt2 with its own head": dataclasses.replace(GPT2, tied_embeddings=False),
    "gpt2 of a long context": dataclasses.replace(GPT2, context_length=512),
}
SHAPES = {**SMALL, **PUBLISHED}


class Ids:
    """Stands in for a tokenizer: sizes do not depend on it."""

    bos_token_id = eos_token_id = pad_token_id = 0


def built(shape):
    with torch.device("meta"):
        return fresh_model(shape, Ids)


def layers(model):
    """(inputs, outputs) of every linear layer but the head."""
    found = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            found.append((module.in_features, module.out_features))
        elif isinstance(module, Conv1D):
            found.append((module.nx, module.nf))
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_the_weights_of_a_shape_are_those_of_the_model_built_of_it(name):
    total = sum(weight.numel() for weight in built(SHAPES[name]).parameters())
    assert parameters(SHAPES[name]) == (total, total)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rank", [1, 16])
def test_an_adapter_has_two_thin_matrices_on_every_linear_layer_but_the_head(name, rank):
    model = built(SHAPES[name])
    found = layers(model)
    assert found
    trainable, total = parameters(SHAPES[name], rank)
    assert trainable == sum(rank * (inputs + outputs) for inputs, outputs in found)
    assert total == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", ["llama with its own head", "gpt2"])
def test_peft_trains_as_many_weights(name):
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(fresh_model(SHAPES[name], Ids), settings)
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert parameters(SHAPES[name], 4)[0] == trained


def test_a_published_model_has_the_weights_in_its_name():
    totals = {name: parameters(shape)[1] for name, shape in PUBLISHED.items()}
    assert totals["meta-llama/Llama-3.2-3B-Instruct"] == 3_212_749_824
    assert totals["meta-llama/Llama-3.1-8B-Instruct"] == 8_030_261_248
    assert totals["TinyLlama/TinyLlama-1.1B-Chat-v1.0"] == 1_100_048_384
    assert totals["distilbert/distilgpt2"] == 81_912_576
