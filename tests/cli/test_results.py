"""`harness compare`, `baseline set` and `rescore` where the data of a suite that they do not need is missing."""

import pytest

from tests.projects import run_harness, write_project

FAR = """
from harness import Dataset, Files, Sample, Suite

FAR = Suite(name="far", dataset=Dataset(name="far", mini=Files("far.jsonl")), to_sample=lambda row: Sample(id=row["id"]),
            scorer=lambda sample, output: {"x": 0.0})


def test_far(checkpoint, evaluate):
    evaluate(FAR, checkpoint)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "suites" / "test_far.py").write_text(FAR.lstrip())
    return root


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        (("compare", "plain", "other"), 2, "no suite has measured both plain-mini and other-mini"),
        (("baseline", "set", "main"), 2, "baseline main: nothing of any recipe is measured"),
        (("rescore",), 0, "evaluations have no stored answers"),
    ],
)
def test_a_suite_whose_data_is_missing_is_left_out_with_a_note(root, command, status, told):
    found = run_harness(root, *command)
    assert found.returncode == status, found.stderr
    assert "note: suite far is left out: " in found.stderr
    assert "far.jsonl" in found.stderr
    assert told in found.stderr


def test_a_suite_that_is_named_must_have_its_data(root):
    found = run_harness(root, "compare", "plain", "other", "--suite", "far")
    assert found.returncode == 2
    assert "DataError" in found.stderr
