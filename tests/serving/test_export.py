"""Exports: what plain transformers loads from them, against the checkpoint that was measured."""

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")

from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.models.answering.engine import Engine
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


def test_a_merged_export_has_the_logits_of_the_adapter(trained, merged):
    alone = AutoModelForCausalLM.from_pretrained(merged.out)
    theirs = logits(trained.engine.model, trained.engine)
    base = logits(Engine(trained.at["ground"], "cpu", "float32").model, trained.engine)
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
    assert f"fingerprint: `{Path(trained.at['plain'].adapter.path).name}`" in card
    assert "base: ground-mini pretrain, `" in card
    assert "## plain-mini finetune" in card
    assert '"learning_rate": 0.005' in card
    assert "float32, the adapter merged into its base" in merged.said
    assert [file.name for file in merged.out.parent.iterdir()] == ["model"]  # no temporary is left


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
