"""A checkpoint's model card: from what it was made, and how."""

import hashlib

import pytest

from harness import Architecture, Dataset, Embedded, Finetune, Gguf, Mix, Pretrain, Recipe, Variant
from harness.evaluation.findings import Findings, Score
from harness.serving.card import base_of, card
from harness.serving.trained import Trained

pytest.importorskip("huggingface_hub")

SHAPE = Architecture(
    hidden_size=32, layers=1, heads=2, key_value_heads=2, intermediate_size=64, vocabulary_size=300, context_length=64
)
PRETRAIN = Pretrain(
    data=Mix(Dataset(name="text", mini=Embedded("stories", text="text")).rows(mini=8)), learning_rate=1e-3, epochs=1,
    effective_batch_size=4,
)  # fmt: skip
TUNE = Finetune(
    data=Mix(Dataset(name="talk", mini=Embedded("instructions")).rows(mini=8)), learning_rate=5e-4, epochs=2,
    effective_batch_size=4,
)  # fmt: skip


def trained(made, name, base, *stages):
    """The recipe's one subject, every stage of it in the store without weights."""
    made.recipes[name] = Recipe(
        name=name, stages=stages, variants=[Variant("mini", base=base, scale="mini", seed=7)], hypothesis="It learns."
    )
    subject = made.recipes[name]["mini"]
    for stage in made.keys.chain(subject):
        if stage.is_made:
            folder = made.store.work("checkpoints", stage.key) / "made"
            folder.mkdir()
            record = {"optimizer_steps": 1_234, "training_rows": 5_678}
            made.store.publish("checkpoints", stage.key, folder, stage.spec, record)
    return Trained(made.results.checkpoint(subject), made.results)


def test_a_card_tells_every_stage_with_its_settings(made):
    model = trained(made, "staged", SHAPE, PRETRAIN, TUNE)
    text = card(model, "bfloat16")
    first, last = made.keys.chain(model.checkpoint.subject)
    assert text.startswith("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- fine-tuned\n---\n")
    assert "# staged-mini-seed7\n\nIt learns.\n" in text
    assert f"- fingerprint: `{last.key}`\n" in text
    assert f"- base: staged-mini-seed7 pretrain, `{first.key[:8]}`\n- weights: bfloat16\n- seed: 7\n" in text
    assert text.count("1,234 optimizer steps on 5,678 rows.") == 2
    assert "## staged-mini-seed7 pretrain" in text
    assert '"learning_rate": 0.001' in text
    assert '"learning_rate": 0.0005' in text


def test_a_model_of_the_hub_is_named_for_the_hub_to_link(made):
    model = trained(made, "tuned", "org/model", TUNE)
    assert "base_model: org/model\n" in card(model, "bfloat16")
    assert base_of(model) == "org/model, revision None"


def test_scores_are_a_model_index_that_the_hub_reads_and_verdicts_stand_in_the_text(made, tmp_path):
    from huggingface_hub import ModelCard

    findings = Findings(
        scores=(Score("quiz", "org/quiz", "acc", 0.625, 0.5, 0.75, 80), Score("tone", "prompts", "bleu", 12.5, None, None, None)),
        outlook="do not ship",
        claims=(("fail", "answers are shorter"),),
    )  # fmt: skip
    (tmp_path / "README.md").write_text(card(trained(made, "tuned", "org/model", TUNE), "bfloat16", findings))
    read = ModelCard.load(tmp_path / "README.md")
    assert read.data.base_model == "org/model"
    assert read.data.model_name == "tuned-mini-seed7"
    quiz, tone = read.data.eval_results
    assert (quiz.dataset_type, quiz.dataset_name, quiz.metric_type, quiz.metric_value) == (
        "org/quiz",
        "quiz",
        "acc",
        0.625,
    )
    assert quiz.metric_args == {"low": 0.5, "high": 0.75, "samples": 80}
    assert (tone.metric_value, tone.metric_args) == (12.5, None)
    assert "| quiz | acc | 0.625 | 0.500 to 0.750 | 80 |" in read.text
    assert "| tone | bleu | 12.500 | – | – |" in read.text
    assert "By its own claims: **do not ship**.\n\n- fail: answers are shorter" in read.text


def test_fresh_weights_are_told_as_such(made):
    assert base_of(trained(made, "fresh", SHAPE, PRETRAIN)) == "fresh weights"


def test_a_gguf_file_is_told_by_its_digest(made, tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    model = trained(made, "imported", Gguf(str(file)))
    assert base_of(model) == f"a GGUF file, SHA-256 `{digest}`"
    assert f"- base: a GGUF file, SHA-256 `{digest}`\n" in card(model, "bfloat16")


def test_a_folder_of_the_projects_own_is_told_by_its_path(made):
    folder = made.root / "own_model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert base_of(trained(made, "local", "own_model", TUNE)) == str(folder)
