"""What a suite can ask beyond completions, in whole sessions: choices, copies, training rows, tasks of lm-eval; QLoRA."""

import json

import pytest

from harness.fingerprint.values import digest
from harness.store import Store
from tests.projects import run_harness, run_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")

RECIPES = '''
"""An adapter over 4-bit weights, and plain training that goes on from a base."""

from harness import Claim, Finetune, Lora, Mix, Pretrain, Quantization, Recipe, Target, Variant
from recipes.datasets import TALK, TEXT
from recipes.tiny import GROUND

ROWS, KEPT = Mix(TALK.rows(mini=40)).split(1, mini=8)
QUANTIZED = Recipe(
    name="quantized",
    stages=[Finetune(data=ROWS, held_out=KEPT, adapter=Lora(rank=4), quantization=Quantization(), template="chatml",
                     learning_rate=5e-3, epochs=1, effective_batch_size=8, max_length=128)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
    claims=[Claim("contamination", "choose", equals=0.0)],
    targets=[Target("choose", "accuracy", at_least=0.01, together_with=["choose_again"])],
)
GOES_ON = Recipe(
    name="goes_on",
    stages=[Pretrain(data=Mix(TEXT.rows(mini=30)), held_out=Mix(TEXT.rows(mini=30).held_out(1, mini=6)), packing=False,
                     block_length=64, learning_rate=1e-2, epochs=2, effective_batch_size=4, eval_steps=3)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
    claims=[Claim("contamination", "touched", below=0.5)],
)
'''

SUITES = '''
"""Every other way to ask."""

from dataclasses import replace

import pytest

from harness import Choices, Dataset, Embedded, Overlap, Parity, Sample, Suite, TrainingRecord
from harness.scoring import (answer_floors, choice_accuracy, copy_agreement, loss_change, overlap_with_training,
                             right_choice)
from recipes.datasets import PROMPTS

QUESTIONS = Dataset(name="questions", mini=Embedded("quiz"))


def to_choice(row):
    return Sample(id=row["id"], prompt=row["question_stem"], choices=row["choices"]["text"],
                  target=right_choice(row["choices"]["label"], row["answerKey"], row["id"]))


def to_prompt(row):
    return Sample(id=row["id"], prompt=row["prompt"])


CHOOSE = Suite(name="choose", dataset=QUESTIONS.rows(mini=12), to_sample=to_choice, asks=[Choices()],
               scorer=choice_accuracy, floors=answer_floors)
AGAIN = replace(CHOOSE, name="choose_again", dataset=QUESTIONS.rows(mini=12).held_out(1, mini=12))
CONTAMINATION = Suite(name="contamination", asks=[Overlap(n=8)], scorer=overlap_with_training)
PARITY = Suite(name="parity", dataset=PROMPTS, to_sample=to_prompt, asks=[Parity(max_new_tokens=6)],
               scorer=copy_agreement)
RECORD = Suite(name="training", asks=[TrainingRecord()], scorer=loss_change)


@pytest.mark.parametrize("suite", [CHOOSE, AGAIN, PARITY], ids=["choose", "again", "parity"])
def test_asked(checkpoint, evaluate, suite):
    assert evaluate(suite, checkpoint).scored == len(suite.dataset) * (len(suite.copies) or 1)


def test_contamination(checkpoint, evaluate):
    assert evaluate(CONTAMINATION, checkpoint).scored == 12 + 12 + 20 + 20


def test_training(checkpoint, evaluate):
    assert evaluate(RECORD, checkpoint).scored > 0


def test_task(checkpoint, evaluate, task):
    assert evaluate(task, checkpoint).scored == 6
'''

TASK = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project after one session over two recipes, all asks and one task of lm-eval; what it printed beside it."""
    root = write_project(tmp_path_factory.mktemp("asks"))
    (root / "recipes" / "more.py").write_text(RECIPES.lstrip())
    (root / "suites" / "test_asked.py").write_text(SUITES.lstrip())
    rows = [{"question": f"Which city is number {i}?", "choices": ["Rome", "Oslo"], "answer": i % 2} for i in range(6)]
    (root / "capitals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "capitals.yaml").write_text(TASK.replace("DATA", str(root / "capitals.jsonl")))
    status, output = run_session(root, "-k", "quantized or goes_on", "--tasks", "capitals.yaml")
    (root / "first.txt").write_text(output)
    assert status in (0, 1), output
    assert "error" not in output.lower().replace("standard error", ""), output
    return root


def evaluations(project):
    """suite and subject -> manifest."""
    found = Store(project / ".bench" / "store").all("evaluations")
    return {(a.spec["suite"]["name"], a.record["subject"]): a for a in found}


def test_all_is_measured_and_a_second_session_measures_nothing(project):
    measured = {name for name in evaluations(project) if name[1] in ("quantized-mini", "goes_on-mini")}
    suites = ("look", "choose", "choose_again", "contamination", "parity", "training", "capitals")
    assert measured == {(suite, subject) for suite in suites for subject in ("quantized-mini", "goes_on-mini")}
    _status, output = run_session(project, "-k", "quantized or goes_on", "--tasks", "capitals.yaml")
    assert "to train" not in output
    assert (project / "loaded.txt").read_text() == ""


def test_a_task_of_lm_eval_brings_its_own_samples(project):
    task = evaluations(project)["capitals", "goes_on-mini"].record
    assert task["samples"] == 6
    assert list(task["metrics"]) == ["acc"]


def test_copies_in_fewer_bits_are_compared_each_by_its_own_metrics(project):
    metrics = evaluations(project)["parity", "quantized-mini"].record["metrics"]
    assert {name for name in metrics if name.endswith("agreement")} == {
        "bfloat16_agreement", "int8_agreement", "nf4_agreement",
    }  # fmt: skip
    assert metrics["bfloat16_agreement"]["n"] == 20
    assert metrics["bfloat16_divergence"]["estimate"] < metrics["nf4_divergence"]["estimate"]


def test_rows_that_a_stage_trained_on_are_found_again_and_questions_are_not(project):
    metrics = evaluations(project)["contamination", "goes_on-mini"].record["metrics"]
    assert metrics["choose"]["estimate"] == 0.0
    assert set(metrics) == {"shared", "touched", "choose", "choose_again", "look", "parity"}


def test_an_adapter_over_four_bits_is_trained_and_its_rows_are_split(project):
    store = Store(project / ".bench" / "store")
    found = [a for a in store.all("checkpoints") if (a.spec.get("settings") or {}).get("quantization")]
    assert len(found) == 1
    assert found[0].record["training_rows"] == 32
    assert found[0].record["rows_by_source"] == {"talk": 32}
    losses = json.loads((found[0].path / "held_out_losses.json").read_text())
    assert len(losses["after"]) == 8


def test_training_goes_on_from_a_base_with_its_tokenizer_and_looks_when_told(project):
    store = Store(project / ".bench" / "store")
    found = next(a for a in store.all("checkpoints") if (a.spec.get("settings") or {}).get("packing") is False)
    base = next(a for a in store.all("checkpoints") if a.key == found.spec["base"]["checkpoint"])
    assert (found.path / "tokenizer.json").read_bytes() == (base.path / "tokenizer.json").read_bytes()
    assert (found.record["training_rows"], found.record["optimizer_steps"]) == (30, 16)
    log = [json.loads(line) for line in (found.path / "training_log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "eval_loss" in line] == [0, 3, 6, 9, 12, 15, 16]


def test_two_suites_are_judged_as_one(project):
    found = json.loads(run_harness(project, "gate", "quantized", "--json").stdout)
    target = next(v for v in found if v["metric"] == "accuracy")
    assert target["suite"] == "choose and choose_again"
    assert target["n"] == 24


def test_a_changed_item_changes_the_key_of_contamination_alone(project):
    before = {name: a.key for name, a in evaluations(project).items()}
    path = project / "suites" / "test_asked.py"
    path.write_text(path.read_text().replace("QUESTIONS.rows(mini=12), to", "QUESTIONS.rows(mini=11), to"))
    planned = run_harness(project, "gate", "goes_on", "--json")
    path.write_text(path.read_text().replace("QUESTIONS.rows(mini=11), to", "QUESTIONS.rows(mini=12), to"))
    assert planned.returncode == 2, planned.stdout  # the stored contamination is of other items
    assert len({digest(key) for key in before.values()}) == len(before)


def test_a_task_file_that_is_not_there_is_named(project):
    status, output = run_session(project, "--tasks", "absent.yaml")
    assert status == 4
    assert "task absent.yaml: no such task file." in output


def test_a_task_that_lm_eval_does_not_know_fails_alone(project):
    status, output = run_session(project, "-k", "goes_on and (test_task or look)", "--tasks", "no_such_task_at_all")
    assert status == 1
    assert "lm-eval has no single task 'no_such_task_at_all'" in output
    assert "1 failed, 2 passed" in output
