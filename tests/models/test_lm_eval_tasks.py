"""Tasks of lm-evaluation-harness sample by sample, against lm-eval's own hf model."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
lm_eval = pytest.importorskip("lm_eval")

from harness.data.reading.rows import EMBEDDED
from harness.errors import SuiteError
from harness.models.answering.lm_eval_tasks import run_own_task, run_task
from harness.suite import LmEval

TASK = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: capitals.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: METRIC, aggregation: mean, higher_is_better: true}]
"""


def test_lm_eval_hf_model_gives_the_same_scores(engine, model_at, tmp_path):
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    rows = [json.loads(line) for line in (EMBEDDED / "quiz.jsonl").read_text().splitlines()[:40]]
    ours = run_task(engine, LmEval("openbookqa", ("acc", "acc_norm", "acc_mutual_info")), rows, tmp_path)
    config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / "openbookqa" / "openbookqa.yaml")
    config |= {
        "dataset_path": "json", "dataset_name": None, "training_split": None, "validation_split": None,
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "openbookqa.rows.jsonl")}},
    }  # fmt: skip
    theirs = lm_eval.simple_evaluate(
        model="hf", model_args={"pretrained": model_at.path, "dtype": "float32"}, tasks=[config],
        device="cpu", batch_size=8, bootstrap_iters=0, task_manager=TaskManager(include_defaults=False),
    )["results"]["openbookqa"]  # fmt: skip
    assert sum(row["acc"] for row in ours) / 40 == pytest.approx(theirs["acc,none"])
    assert sum(row["acc_norm"] for row in ours) / 40 == pytest.approx(theirs["acc_norm,none"])
    for row, question in zip(ours, rows, strict=True):
        choices = question["choices"]["text"]
        assert len(row["loglikelihoods"]) == len(choices)
        assert row["acc"] == float(
            row["loglikelihoods"].index(max(row["loglikelihoods"])) == "ABCD".index(question["answerKey"])
        )


def capitals(folder, metric="acc"):
    """A task file, with its data beside it."""
    rows = [{"question": f"Which city is number {i}?", "choices": ["Rome", "Oslo"], "answer": i % 2} for i in range(6)]
    (folder / "capitals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "capitals.yaml").write_text(TASK.replace("METRIC", metric))
    return str(folder / "capitals.yaml")


def test_a_task_file_brings_the_data_that_lies_beside_it(engine, tmp_path):
    samples, answers = run_own_task(engine, capitals(tmp_path))
    assert [sample["id"] for sample in samples] == ["0", "1", "2", "3", "4", "5"]
    assert samples[3]["prompt"].startswith("Which city is number 3?")
    assert {score for answer in answers for score in answer["scores"]} == {"acc"}
    assert {answer["scores"]["acc"] for answer in answers} <= {0.0, 1.0}


def test_a_task_of_lm_eval_that_is_not_there_is_named(engine, tmp_path):
    with pytest.raises(SuiteError, match="lm-eval task 'no_such_task' has no folder of its own"):
        run_task(engine, LmEval("no_such_task"), [], tmp_path)
    with pytest.raises(SuiteError, match="lm-eval has no single task 'no_such_task'"):
        run_own_task(engine, "no_such_task")


def test_data_that_cannot_be_loaded_is_named(engine, tmp_path):
    task = capitals(tmp_path)
    (tmp_path / "capitals.jsonl").unlink()
    with pytest.raises(SuiteError, match=r"lm-eval task .*capitals\.yaml: its data cannot be loaded"):
        run_own_task(engine, task)


@pytest.mark.parametrize(
    ("given", "split", "count"),
    [
        ("capitals.jsonl", "train", 6),
        ("[capitals.jsonl, more.jsonl]", "train", 12),
        ("{test: [capitals.jsonl, more.jsonl]}", "test", 12),
        ("{test: '*.jsonl'}", "test", 12),
        ("{test: '{folder}/more.jsonl'}", "test", 6),
    ],
)
def test_a_task_names_its_data_files_in_every_way_that_datasets_takes(engine, tmp_path, given, split, count):
    task = Path(capitals(tmp_path))
    (tmp_path / "more.jsonl").write_text((tmp_path / "capitals.jsonl").read_text().replace("city", "town"))
    text = task.read_text().replace("{test: capitals.jsonl}", given.replace("{folder}", str(tmp_path)))
    task.write_text(text.replace("test_split: test", f"test_split: {split}"))
    samples, _ = run_own_task(engine, str(task))
    assert len(samples) == count
