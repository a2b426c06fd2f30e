"""Models with fresh weights, of a declared shape or like a published one."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.training.pretraining.fresh import fresh_like, fresh_model
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.worker.messages import TrainingTask
from tests.training_tasks import ARCHITECTURE


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_has_the_shape_declared(tokenizer, family, tied):
    model = fresh_model(replace(ARCHITECTURE, family=family, tied_embeddings=tied), tokenizer)
    config = model.config
    assert config.model_type == family
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (32, 2, 2)
    assert (config.vocab_size, config.max_position_embeddings) == (300, 64)
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) is tied
    assert (config.eos_token_id, config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_heads_may_be_of_another_size_than_the_width_gives(tokenizer):
    shape = replace(ARCHITECTURE, head_size=24, key_value_heads=1)
    attention = fresh_model(shape, tokenizer).model.layers[0].self_attn
    assert attention.q_proj.weight.shape == (2 * 24, 32)
    assert attention.k_proj.weight.shape == (24, 32)


def test_a_model_like_a_published_one_has_its_shape_and_tokenizer_but_other_weights(base_at):
    from harness.models.loading.load import load_model, load_tokenizer

    made = [fresh_like(TrainingTask(makes="k", name="n", kind="fresh", base=base_at, seed=seed)) for seed in (3, 3, 4)]
    same, again, other = (dict(one.model.named_parameters()) for one in made)
    theirs = dict(load_model(base_at, device="cpu", dtype="bfloat16").named_parameters())
    assert {name: weight.shape for name, weight in same.items()} == {n: weight.shape for n, weight in theirs.items()}
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(same[name], again[name])
    assert not torch.equal(same[name], other[name])
    assert not torch.equal(same[name], theirs[name])
    assert same[name].dtype == torch.bfloat16
    assert made[0].tokenizer.get_vocab() == load_tokenizer(base_at).get_vocab()
    assert made[0].trainer is None
