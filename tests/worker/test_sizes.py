"""Weights counted from a shape, against models that torch builds of it on the meta device: no memory, no download."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers.pytorch_utils import Conv1D

from harness import Architecture, Lora
from harness.jobs.published import PUBLISHED
from harness.training.pretraining.fresh import fresh_model
from harness.worker.sizes import activation_bytes, parameters, training_memory

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
    trainable, total = parameters(SHAPES[name], Lora(rank=rank))
    assert trainable == sum(rank * (inputs + outputs) for inputs, outputs in found)
    assert total == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    ("name", "adapter"),
    [
        ("llama with its own head", Lora(rank=4)),
        ("gpt2", Lora(rank=4)),
        ("llama with its own head", Lora(rank=4, use_dora=True)),
        ("llama with its own head", Lora(rank=4, target_modules=["q_proj", "down_proj"], use_rslora=True)),
        ("llama with its own head", Lora(rank=4, modules_to_save=["lm_head", "embed_tokens"])),
    ],
)
def test_peft_trains_as_many_weights(name, adapter):
    pytest.importorskip("peft")
    from harness.training.finetuning.base import adapted

    model = adapted("test", fresh_model(SHAPES[name], Ids), adapter)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert parameters(SHAPES[name], adapter)[0] == sum(weight.numel() for weight in trained)
    assert {str(weight.dtype) for weight in trained} == {"torch.float32"}


def test_a_published_model_has_the_weights_in_its_name():
    totals = {name: parameters(shape)[1] for name, shape in PUBLISHED.items()}
    assert totals["meta-llama/Llama-3.2-3B-Instruct"] == 3_212_749_824
    assert totals["meta-llama/Llama-3.1-8B-Instruct"] == 8_030_261_248
    assert totals["TinyLlama/TinyLlama-1.1B-Chat-v1.0"] == 1_100_048_384
    assert totals["distilbert/distilgpt2"] == 81_912_576


VARIANTS = {  # published training -> its base, the adapter's rank, NF4, bfloat16
    "3B LoRA": ("meta-llama/Llama-3.2-3B-Instruct", 2, False, True),
    "8B LoRA": ("meta-llama/Llama-3.1-8B-Instruct", 2, False, True),
    "3B QLoRA": ("meta-llama/Llama-3.2-3B-Instruct", 2, True, True),
    "1.1B LoRA": ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 2, False, True),
    "1.1B full": ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", None, False, True),
    "1.1B full in float32": ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", None, False, False),
    "3B LoRA in float32": ("meta-llama/Llama-3.2-3B-Instruct", 2, False, False),
}
LINES, LENGTH = 2, 498  # so many tokens that no activation has the shape of a weight


@pytest.mark.parametrize(("base", "rank", "nf4", "narrow"), VARIANTS.values(), ids=VARIANTS)
def test_what_a_layer_keeps_for_the_backward_pass_is_what_pytorch_saves(base, rank, nf4, narrow, tmp_path):
    """At an eighth of the width: a model of two layers against one of one."""
    published = PUBLISHED[base]
    shape = dataclasses.replace(
        published,
        hidden_size=published.hidden_size // 8,
        intermediate_size=published.intermediate_size // 8,
        heads=published.heads // 8,
        key_value_heads=1,
        vocabulary_size=64,
    )
    models = [model_of(dataclasses.replace(shape, layers=layers), rank, nf4, narrow, tmp_path) for layers in (1, 2)]
    saved = [saved_bytes(model, narrow) for model in models]
    counted = activation_bytes(shape, rank is not None, nf4, narrow) * LINES * LENGTH
    assert counted == pytest.approx(saved[1] - saved[0], rel=0.1)


def model_of(shape, rank, nf4, narrow, folder):
    """A model of the shape as a worker trains it."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.models.loading.load import load_model
    from harness.recipe import Quantization
    from harness.worker.places import Directory

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=shape.hidden_size, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads, intermediate_size=shape.intermediate_size,
            vocab_size=shape.vocabulary_size, tie_word_embeddings=False,
        )
    )  # fmt: skip
    if rank is None:
        return model
    model = model.to(torch.bfloat16) if narrow else model
    if nf4:
        pytest.importorskip("bitsandbytes")
        model.save_pretrained(folder)
        model = load_model(Directory(str(folder)), device="cpu", dtype="bfloat16", quantization=Quantization())
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")).train()


def saved_bytes(model, narrow):
    """Bytes of the tensors that PyTorch saves in a forward pass over packed rows, without weights and their copies."""
    shapes = {tuple(weight.shape) for weight in model.parameters()}
    shapes |= {shape[::-1] for shape in shapes}
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def save(tensor):
        storage = tensor.untyped_storage()
        if tuple(tensor.shape) not in shapes and storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    ids = torch.randint(0, 64, (LINES, LENGTH))
    positions = torch.cat([torch.arange(LENGTH // 2)] * 2).expand(LINES, -1)
    with (
        torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow),
    ):
        model(input_ids=ids, position_ids=positions, use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())


MEASURED = {  # on an H100: published training -> its base, tokens of a micro-batch, rank, NF4, GiB allocated at most
    "3B LoRA": ("meta-llama/Llama-3.2-3B-Instruct", 2048, 16, False, 17.00),
    "8B LoRA": ("meta-llama/Llama-3.1-8B-Instruct", 1024, 16, False, 23.82),
    "1.1B full": ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 512, None, False, 20.49),
    "3B QLoRA": ("meta-llama/Llama-3.2-3B-Instruct", 1024, 16, True, 10.19),
}


@pytest.mark.parametrize(("base", "tokens", "rank", "nf4", "gib"), MEASURED.values(), ids=MEASURED)
def test_the_published_trainings_take_what_was_measured_on_a_gpu(base, tokens, rank, nf4, gib):
    assert training_memory(
        PUBLISHED[base], tokens, adapter=Lora(rank=rank) if rank else None, nf4=nf4
    ).total == pytest.approx(gib * 2**30, rel=0.06)


def test_an_optimizer_of_8_bits_holds_a_quarter_of_the_moments():
    whole, fused, narrow = (
        training_memory(LLAMA, 64, adapter=None, optimizer=name) for name in ("adamw", "adamw_fused", "adamw_8bit")
    )
    trained, _ = parameters(LLAMA)
    assert (whole.trained, narrow.trained) == (12 * trained, 6 * trained)
    assert (whole.step, fused.step) == (4 * trained, 0)
