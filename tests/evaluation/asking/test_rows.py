"""The rows that suites ask about: read once, checked, and those left out told once."""

import dataclasses
import json

import pytest

from harness import Dataset, Embedded, Files, LmEvalTask, Sample, Suite
from harness.data.reading.rows import Access
from harness.errors import SuiteError
from harness.evaluation.asking.rows import SuiteRows


def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])


PROMPTS = Dataset(name="prompts", mini=Embedded("first_look"))
LOOK = Suite(name="look", dataset=PROMPTS.rows(mini=5), to_sample=to_sample, scorer=lambda s, o: {})


def test_a_suites_rows_become_its_samples():
    rows = SuiteRows(Access("mini"))
    assert len(rows.rows(LOOK)) == 5
    assert rows.samples(LOOK) == [to_sample(row) for row in rows.rows(LOOK)]


def test_rows_are_read_once():
    rows = SuiteRows(Access("mini"))
    assert rows.rows(LOOK) is rows.rows(LOOK)


def test_a_task_that_brings_its_own_samples_has_no_rows():
    rows = SuiteRows(Access("mini"))
    task = Suite(name="task", scorer=lambda s, o: {}, asks=[LmEvalTask("own")])
    assert (rows.rows(task), rows.samples(task)) == ([], [])


def test_a_row_that_makes_no_sample_is_an_error_before_anything_is_asked():
    odd = dataclasses.replace(LOOK, to_sample=lambda row: Sample(id=row["id"], prompt=row["question"]))
    with pytest.raises(
        SuiteError, match=r"suite look: .*first_look\.jsonl:\d+: to_sample fails with KeyError: 'question'"
    ):
        SuiteRows(Access("mini")).rows(odd)


def test_rows_that_were_left_out_are_told_once_under_the_suites_name(tmp_path):
    rows = [{"id": str(i), "prompt": f"Why {i}?", "answer": None if i == 1 else "So."} for i in range(3)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = Dataset(
        name="own", mini=Files("own.jsonl", prompt="{prompt}", completion="{answer}", require=("answer",))
    )
    told = []
    found = SuiteRows(Access("mini", tmp_path), lambda who, loaded: told.append((who, loaded.left_out)))
    suite = dataclasses.replace(LOOK, dataset=dataset)
    assert {row["id"] for row in found.rows(suite)} == {"0", "2"}
    found.rows(suite)
    [(who, left_out)] = told
    assert who == "suite look"
    assert left_out == ['own.jsonl:2: "answer" is null, and own requires it']
