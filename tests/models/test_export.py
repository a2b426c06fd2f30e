"""The export worker: standalone weights in any form, against the checkpoint that was measured."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")

from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.errors import DeviceError, StoreError
from harness.models.answering.engine import Engine
from harness.models.tools.export import try_out, write_standalone
from harness.worker.child import ERROR
from harness.worker.messages import REQUEST, ExportRequest, receive, send
from harness.worker.places import Directory
from tests.projects import environment
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where the project's checkpoints lie, and the engine that a suite would ask about the adapter."""
    at = places(trained_project(tmp_path_factory.getbasetemp()))
    return SimpleNamespace(at=at, engine=Engine(at["plain"], "cpu", "float32"))


def logits(model, engine):
    with torch.inference_mode():
        return model(torch.tensor([engine.prompt_ids(QUESTION, None)])).logits.float()


def asked(place, dtype, quantize):
    """A request for a copy of what is there."""
    return ExportRequest(
        name="copy", model=place, device="cpu", threads=torch.get_num_threads(), dtype=dtype, merge=True,
        quantize=quantize,
    )  # fmt: skip


def in_form(trained, folder, quantize, dtype="bfloat16", name="plain"):
    """What the export worker does, in this process: the folder it makes."""
    request = asked(trained.at[name], dtype, quantize)
    write_standalone(request, folder)
    try_out(request, folder / "made")
    return folder / "made"


def test_full_weights_are_exported_in_the_dtype_asked_for(trained, tmp_path):
    made = in_form(trained, tmp_path, None, "float16", name="ground")
    loaded = AutoModelForCausalLM.from_pretrained(made)
    assert loaded.dtype == torch.float16
    base = logits(Engine(trained.at["ground"], "cpu", "float32").model, trained.engine)
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
    request = asked(Directory(str(tmp_path / "narrow")), "float32", "4bit")
    with pytest.raises(DeviceError, match=r"self_attn\.q_proj has 32 inputs and 32 outputs; .* multiples of 64 and 32"):
        write_standalone(request, tmp_path)


def test_weights_that_a_dtype_cannot_hold_are_named(trained, tmp_path):
    folder = tmp_path / "large"
    shutil.copytree(trained.at["ground"].path, folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.norm.weight[0] = 1e6
    model.save_pretrained(folder)
    request = asked(Directory(str(folder)), "float16", None)
    with pytest.raises(StoreError, match=r"norm\.weight has values that are not finite in float16"):
        write_standalone(request, tmp_path)


def test_the_worker_leaves_the_error_of_a_copy_that_cannot_be_made(tmp_path):
    send(tmp_path / REQUEST, asked(Directory(str(tmp_path / "nothing")), "float32", None))
    command = [sys.executable, "-m", "harness.models.tools.export", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "nothing cannot be loaded" in done.stderr
    assert receive(tmp_path / ERROR).kind == "StoreError"
    assert not (tmp_path / "made").exists()
