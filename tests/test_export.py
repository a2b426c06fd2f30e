"""Exports: what plain transformers loads from them, against the checkpoint that was measured."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")

from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.errors import DeviceError, StoreError
from harness.models.answering.engine import Engine
from harness.models.tools.export import try_out, write_standalone
from tests.projects import run_harness
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The project, where its checkpoints lie, and the engine that a suite would ask about the adapter."""
    root = trained_project(tmp_path_factory.getbasetemp())
    at = places(root)
    return SimpleNamespace(root=root, at=at, engine=Engine(at["plain"], "cpu", "float32"))


@pytest.fixture(scope="module")
def merged(trained, tmp_path_factory):
    """The adapter merged into its base in float32, by the command."""
    out = tmp_path_factory.mktemp("merged") / "model"
    done = run_harness(trained.root, "export", "plain", "--merge", "--dtype", "float32", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(out=out, said=done.stdout)


def logits(model, engine):
    with torch.inference_mode():
        return model(torch.tensor([engine.prompt_ids(QUESTION, None)])).logits.float()


def in_form(trained, folder, quantize, dtype="bfloat16", name="plain"):
    """What the export worker does, in this process: the folder it makes."""
    request = {"at": trained.at[name], "device": "cpu", "dtype": dtype, "quantize": quantize}
    write_standalone(request, folder)
    try_out(request, folder / "made")
    return folder / "made"


def test_a_merged_export_has_the_logits_of_the_adapter(trained, merged):
    alone = AutoModelForCausalLM.from_pretrained(merged.out)
    theirs = logits(trained.engine.model, trained.engine)
    with trained.engine.model.disable_adapter():
        base = logits(trained.engine.model, trained.engine)
    assert (logits(alone, trained.engine) - theirs).abs().max() < 1e-4
    assert (base - theirs).abs().max() > 1e-2  # the adapter does something


def test_a_merged_export_answers_as_the_checkpoint_does_and_ends_where_it_ends(trained, merged):
    tokenizer, model = AutoTokenizer.from_pretrained(merged.out), AutoModelForCausalLM.from_pretrained(merged.out)
    ids = trained.engine.prompt_ids(QUESTION, None)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert rendered == ids
    [found] = trained.engine.complete(["q"], [ids], max_new_tokens=12)
    theirs = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
    assert theirs[: len(found.ids)] == found.ids
    assert model.generation_config.eos_token_id == trained.engine.stop_ids
    assert model.config.use_cache


def test_an_export_holds_safetensors_and_a_card_and_nothing_of_the_store(trained, merged):
    assert sorted(file.name for file in merged.out.iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    card = (merged.out / "README.md").read_text()
    assert "Two stages and two fine-tunings over them" in card
    assert f"fingerprint: `{Path(trained.at['plain']['adapter']).name}`" in card
    assert "base: ground-mini pretrain, `" in card
    assert "## plain-mini finetune" in card
    assert '"learning_rate": 0.005' in card
    assert "float32, the adapter merged into its base" in merged.said
    assert [file.name for file in merged.out.parent.iterdir()] == ["model"]  # no temporary is left


def test_full_weights_are_exported_in_the_dtype_asked_for(trained, tmp_path):
    made = in_form(trained, tmp_path, None, "float16", name="ground")
    loaded = AutoModelForCausalLM.from_pretrained(made)
    assert loaded.dtype == torch.float16
    with trained.engine.model.disable_adapter():
        base = logits(trained.engine.model, trained.engine)
    assert (logits(loaded, trained.engine) - base).abs().max() < 0.05


@pytest.mark.parametrize(("quantize", "layer"), [("4bit", "Linear4bit"), ("8bit", "Linear8bitLt")])
def test_a_quantized_export_loads_with_plain_transformers_and_generates(trained, tmp_path, quantize, layer):
    made = in_form(trained, tmp_path, quantize)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(made), AutoTokenizer.from_pretrained(made)
    assert type(model.model.layers[0].self_attn.q_proj).__name__ == layer
    prompt = torch.tensor([tokenizer(QUESTION)["input_ids"]])
    assert model.generate(prompt, max_new_tokens=4, do_sample=False).shape[1] > prompt.shape[1]
    config = json.loads((made / "config.json").read_text())["quantization_config"]
    assert config[f"load_in_{quantize}"] is True
    if quantize == "4bit":
        assert (config["bnb_4bit_quant_type"], config["bnb_4bit_use_double_quant"]) == ("nf4", True)
    theirs = logits(trained.engine.model, trained.engine)
    assert (logits(model, trained.engine) - theirs).norm() < 0.5 * theirs.norm()


def test_layers_too_narrow_for_4_bits_on_a_processor_are_named(trained, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    narrow = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=300
    )
    LlamaForCausalLM(narrow).save_pretrained(tmp_path / "narrow")
    trained.engine.tokenizer.save_pretrained(tmp_path / "narrow")
    request = {"at": {"path": str(tmp_path / "narrow")}, "device": "cpu", "dtype": "float32", "quantize": "4bit"}
    with pytest.raises(DeviceError, match=r"self_attn\.q_proj has 32 inputs and 32 outputs; .* multiples of 64 and 32"):
        write_standalone(request, tmp_path)


def test_weights_that_a_dtype_cannot_hold_are_named(trained, tmp_path):
    folder = tmp_path / "large"
    shutil.copytree(trained.at["ground"]["path"], folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.norm.weight[0] = 1e6
    model.save_pretrained(folder)
    request = {"at": {"path": str(folder)}, "device": "cpu", "dtype": "float16", "quantize": None}
    with pytest.raises(StoreError, match=r"norm\.weight has values that are not finite in float16"):
        write_standalone(request, tmp_path)


def test_an_adapter_alone_names_its_base_and_loads_over_it(trained, tmp_path):
    out = tmp_path / "adapter"
    found = run_harness(trained.root, "export", "plain", "--out", str(out))
    assert found.returncode == 0, found.stderr
    assert "an adapter alone; adapter_config.json names the base it needs (ground-mini pretrain, `" in found.stdout
    assert "--merge writes standalone weights." in found.stdout
    names = {file.name for file in out.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "README.md"} <= names
    assert not names & {"manifest.json", "training_log.jsonl", "held_out_losses.json", "model.safetensors"}
    loaded = AutoModelForCausalLM.from_pretrained(out)  # peft finds the base by its configuration
    assert (logits(loaded, trained.engine) - logits(trained.engine.model, trained.engine)).abs().max() < 1e-4


def test_a_folder_that_is_not_empty_is_left_alone(trained, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    found = run_harness(trained.root, "export", "plain", "--out", str(tmp_path))
    assert found.returncode == 2
    assert f"--out {tmp_path}: the folder is not empty (1 entries)." in found.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--quantize", "4bit"], "--quantize 4bit: plain-mini is an adapter, and what would change is its base."),
        (["--dtype", "float16"], "--dtype float16: plain-mini is an adapter, and what would change is its base."),
        (["--quantize", "3bit"], "--quantize 3bit: there is no such form.\n    Choose 4bit or 8bit."),
    ],
)
def test_a_form_that_cannot_be_is_told_before_any_work(trained, tmp_path, arguments, told):
    found = run_harness(trained.root, "export", "plain", *arguments, "--out", str(tmp_path / "out"))
    assert found.returncode == 2
    assert told in found.stderr
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_missing_is_told_as_elsewhere(trained, tmp_path):
    found = run_harness(trained.root, "export", "other-mini", "--out", str(tmp_path / "out"))
    assert found.returncode == 2
    assert found.stderr.startswith("CheckpointMissing: other-mini has no checkpoint ")
    assert not (tmp_path / "out").exists()
