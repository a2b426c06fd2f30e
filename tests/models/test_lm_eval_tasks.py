"""Tasks of lm-evaluation-harness sample by sample, against lm-eval's own hf model."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
lm_eval = pytest.importorskip("lm_eval")

from harness.data.reading.rows import EMBEDDED
from harness.errors import SuiteError
from harness.models.answering.lm_eval_tasks import run_own_task, run_task
from harness.suite import LmEval, LmEvalTask, drawn_order

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
    samples, answers, _ = run_own_task(engine, LmEvalTask(capitals(tmp_path)))
    assert [sample["id"] for sample in samples] == ["0", "1", "2", "3", "4", "5"]
    assert samples[3]["prompt"].startswith("Which city is number 3?")
    assert {score for answer in answers for score in answer["scores"]} == {"acc"}
    assert {answer["scores"]["acc"] for answer in answers} <= {0.0, 1.0}


def test_a_task_of_lm_eval_that_is_not_there_is_named(engine, tmp_path):
    with pytest.raises(SuiteError, match="lm-eval task 'no_such_task' has no folder of its own"):
        run_task(engine, LmEval("no_such_task"), [], tmp_path)
    with pytest.raises(SuiteError, match="lm-eval has no single task 'no_such_task'"):
        run_own_task(engine, LmEvalTask("no_such_task"))


def test_data_that_cannot_be_loaded_is_named(engine, tmp_path):
    task = capitals(tmp_path)
    (tmp_path / "capitals.jsonl").unlink()
    with pytest.raises(SuiteError, match=r"lm-eval task .*capitals\.yaml: its data cannot be loaded"):
        run_own_task(engine, LmEvalTask(task))


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
    samples, _, _ = run_own_task(engine, LmEvalTask(str(task)))
    assert len(samples) == count


def test_with_a_limit_the_first_of_the_draw_are_asked_under_their_own_numbers(engine, tmp_path):
    """Answers must not move to other questions."""
    task = LmEvalTask(capitals(tmp_path))
    whole = {sample["id"]: sample for sample in run_own_task(engine, task)[0]}
    samples, answers, documents = run_own_task(engine, task, limit=2)
    drawn = sorted(drawn_order([str(number) for number in range(6)])[:2])
    assert [sample["id"] for sample in samples] == [str(number) for number in drawn] != ["0", "1"]
    assert all(sample == whole[sample["id"]] for sample in samples)
    assert (len(answers), documents) == (2, 6)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_no_question_is_among_its_own_examples(engine, tmp_path, split):
    """lm-eval draws them from the documents that are asked where there are no others, the question's own included."""
    task = Path(capitals(tmp_path))
    text = task.read_text().replace("{test: capitals", f"{{{split}: capitals")
    task.write_text(text.replace("test_split: test", f"{split}_split: {split}"))
    samples, _, _ = run_own_task(engine, LmEvalTask(str(task), num_fewshot=2))
    assert len(samples) == 6
    for sample in samples:
        assert sample["prompt"].count(f"number {sample['id']}?") == 1, sample["prompt"]
        assert sample["prompt"].count("Which city") == 3


SHOTS = "fewshot_split: test\nnum_fewshot: 0\nmetric_list"


def test_examples_come_before_each_question_even_where_the_task_says_none(engine, tmp_path):
    task = Path(capitals(tmp_path))
    task.write_text(task.read_text().replace("metric_list", SHOTS))
    [plain, shown] = [
        run_own_task(engine, LmEvalTask(str(task), num_fewshot=number))[0][3]["prompt"] for number in (None, 2)
    ]
    assert plain.count("Which city is number") == 1
    assert shown.count("Which city is number") == 3
    assert shown.endswith(plain)


def test_with_chat_the_question_is_a_turn_in_the_models_own_template(engine, tmp_path):
    task = Path(capitals(tmp_path))
    task.write_text(task.read_text().replace("metric_list", SHOTS))
    samples, answers, _ = run_own_task(engine, LmEvalTask(str(task), num_fewshot=1, apply_chat_template=True))
    question = f"Which city is number {samples[2]['id']}?"
    [example] = [line for line in samples[2]["prompt"].splitlines() if "Which city" in line and question not in line]
    turns = [
        {"role": "user", "content": example.removesuffix("<|im_end|>")},
        {"role": "assistant", "content": samples[2]["prompt"].split("assistant\n")[1].split("<|im_end|>")[0]},
        {"role": "user", "content": question},
    ]
    assert samples[2]["prompt"] == engine.prompts.render(turns, None)
    assert answers[2]["rendered_prompt"] == samples[2]["prompt"]
    assert answers[2]["prompt_tokens"] == len(engine.prompts.ids([samples[2]["prompt"]])[0])


GENERATES = """
task: names
dataset_path: json
dataset_kwargs: {data_files: {test: capitals.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["never said"], max_gen_toks: 7}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


def test_settings_of_generation_go_over_the_tasks_own_and_how_each_ended_is_told(engine, tmp_path):
    capitals(tmp_path)
    (tmp_path / "names.yaml").write_text(GENERATES)
    _, seven, _ = run_own_task(engine, LmEvalTask(str(tmp_path / "names.yaml")))
    _, three, _ = run_own_task(engine, LmEvalTask(str(tmp_path / "names.yaml"), gen_kwargs={"max_gen_toks": 3}))
    cut = [(one["completion_tokens"], one["finish_reason"]) for one in seven if one["finish_reason"] == "length"]
    assert set(cut) == {(7, "length")}
    assert max(one["completion_tokens"] for one in three) == 3
    with pytest.raises(SuiteError, match=r"it is multiple_choice, which generates nothing"):
        run_own_task(engine, LmEvalTask(capitals(tmp_path), gen_kwargs={"max_gen_toks": 3}))


def test_tasks_are_answered_in_the_batches_of_the_engine(engine):
    from harness.models.answering.lm_eval_tasks import as_lm

    for fixed in (True, False):
        engine.size_batches(fixed)
        lm = as_lm(engine)
        assert (lm.scorer.fixed, lm.generator.fixed) == (fixed, fixed)
        assert lm.scorer.tokens_at_once == engine.scorer.tokens_at_once
