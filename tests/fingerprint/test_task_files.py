"""Task files of lm-eval: every file that one reaches is found, so that none can change unseen."""

import pytest

from harness.fingerprint.task_files import files_reached
from tests.fingerprint.own_tasks import ALWAYS, DATA, write_task


@pytest.mark.parametrize(("data", "found"), DATA)
def test_whatever_a_task_reaches_is_found(tmp_path, data, found):
    reached = files_reached(write_task(tmp_path / "tasks", data))
    assert set(reached) == ALWAYS | found
    assert all(path.is_file() for path in reached.values())


def test_two_files_of_one_name_are_both_there(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "quiz.jsonl").write_text("{}\n")
    (tmp_path / "quiz.yaml").write_text("data_files: {train: a/quiz.jsonl, test: b/quiz.jsonl}\n")
    assert set(files_reached(tmp_path / "quiz.yaml")) == {"quiz.yaml", "a/quiz.jsonl", "b/quiz.jsonl"}


def test_files_that_name_each_other_end(tmp_path):
    (tmp_path / "one.yaml").write_text("include: two.yaml\n")
    (tmp_path / "two.yaml").write_text("include: one.yaml\n")
    assert set(files_reached(tmp_path / "one.yaml")) == {"one.yaml", "two.yaml"}


def test_a_template_without_a_suffix_is_followed_and_a_folder_of_data_counts(tmp_path):
    (tmp_path / "mydata").mkdir()
    (tmp_path / "mydata" / "test.jsonl").write_text("{}\n")
    (tmp_path / "utils.py").write_text("def process_docs(docs):\n    return docs\n")
    template = "process_docs: !function utils.process_docs\ndataset_path: mydata\n"
    (tmp_path / "_default_template_yaml").write_text(template)
    (tmp_path / "mytask.yaml").write_text("include: _default_template_yaml\ntask: mine\n")
    assert set(files_reached(tmp_path / "mytask.yaml")) == {
        "mytask.yaml", "_default_template_yaml", "utils.py", "mydata/test.jsonl",
    }  # fmt: skip


def test_powers_and_stars_are_no_globs(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "all.duckdb").write_text("")
    (tmp_path / "utils.py").write_text("def square(x):\n    return x ** 2 or open('*')\n")
    (tmp_path / "mine.yaml").write_text(
        "doc_to_text: !function utils.square\ndescription: '** be brief **'\nother: '/*'\n"
    )
    assert set(files_reached(tmp_path / "mine.yaml")) == {"mine.yaml", "utils.py"}


def test_data_in_the_task_files_own_folder_count(tmp_path):
    for name in ("test.jsonl", "sub/other.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "mine.yaml").write_text("dataset_kwargs:\n  data_dir: .\n")
    assert set(files_reached(tmp_path / "mine.yaml")) == {"mine.yaml", "test.jsonl"}
