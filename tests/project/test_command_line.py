"""Subjects and suites that the command line names, with no file of their own."""

import pytest

from harness.errors import SuiteError
from harness.project.command_line import model_recipe, task_suite
from harness.suite import LmEvalTask


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/Llama-3.2-3B-Instruct", "llama_3_2_3b_instruct"),
        ("gpt2", "gpt2"),
        ("org/7B-chat", "model_7b_chat"),  # no Python name begins with a digit
    ],
)
def test_a_hub_model_is_a_recipe_without_training(model, name):
    recipe = model_recipe(model, "mini")
    assert recipe.name == name
    [subject] = recipe
    assert (subject.id, subject.scale, subject.stages, subject.variant.base) == (f"{name}-mini", "mini", (), model)
    assert recipe.hypothesis == f"{model}, measured as it is."


def test_a_folder_is_a_base_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "My Run").mkdir()
    monkeypatch.chdir(tmp_path)
    [subject] = model_recipe("My Run", "full")
    assert (subject.id, subject.variant.base) == ("my_run-full", str(tmp_path / "My Run"))


def test_a_task_is_a_suite_that_brings_its_own_samples():
    suite = task_suite("arc_easy")
    assert (suite.name, suite.asks, suite.dataset) == ("arc_easy", (LmEvalTask("arc_easy"),), None)
    assert task_suite("mmlu-pro").name == "mmlu_pro"
    assert task_suite("mmlu-pro").asks == (LmEvalTask("mmlu-pro"),)


def test_a_task_file_is_a_suite_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "own-task.yaml").write_text("task: own\n")
    monkeypatch.chdir(tmp_path)
    suite = task_suite("own-task.yaml")
    assert (suite.name, suite.asks) == ("own_task", (LmEvalTask(str(tmp_path / "own-task.yaml")),))


def test_a_task_file_that_is_not_there_and_what_is_no_task_are_told(tmp_path):
    with pytest.raises(SuiteError, match=r"task .*absent\.yaml: no such task file"):
        task_suite(str(tmp_path / "absent.yaml"))
    for task in ("", "2wiki", "?"):
        with pytest.raises(SuiteError, match="is no task's name") as error:
            task_suite(task)
        assert error.value.remedy == "`lm_eval ls tasks` lists them."


def test_a_tasks_settings_follow_its_name_and_make_a_suite_of_their_own():
    suite = task_suite("gsm8k:fewshot=5,chat=true,max_gen_toks=64,temperature=0.5")
    settings = {"max_gen_toks": 64, "temperature": 0.5}
    assert suite.asks == (LmEvalTask("gsm8k", num_fewshot=5, apply_chat_template=True, gen_kwargs=settings),)
    assert suite.name == "gsm8k_5shot_chat_max_gen_toks_64_temperature_0_5"
    assert task_suite("gsm8k:fewshot=0").name == "gsm8k_0shot"
    assert task_suite("gsm8k:chat=false").asks == task_suite("gsm8k").asks


@pytest.mark.parametrize(
    ("task", "message", "remedy"),
    [
        ("gsm8k:shots=5", "a task has no setting 'shots'", "There are: fewshot, chat, "),
        ("gsm8k:fewshot=few", "fewshot is a whole number from 0, and 'few' is none", ""),
        ("gsm8k:fewshot=-1", "fewshot is a whole number from 0, and '-1' is none", ""),
        ("gsm8k:max_gen_toks=0", "max_gen_toks is a whole number from 1, and '0' is none", ""),
        ("gsm8k:temperature=nan", "temperature is a number from 0, and 'nan' is none", ""),
        ("gsm8k:chat=yes", "chat is true or false, and 'yes' is none", ""),
        ("gsm8k:fewshot", "fewshot is a whole number from 0, and '' is none", ""),
    ],
)
def test_a_setting_that_is_none_is_told(task, message, remedy):
    with pytest.raises(SuiteError, match=message) as error:
        task_suite(task)
    assert error.value.remedy.startswith(remedy)
