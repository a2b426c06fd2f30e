"""Rows become samples, or the one error that names the row."""

import pytest

from harness import Dataset, Embedded, Sample, Suite
from harness.errors import SuiteError
from harness.evaluation.asking.samples import samples_of

SUITE = Suite(
    name="look",
    dataset=Dataset(name="prompts", mini=Embedded("tone_prompts")),
    to_sample=lambda row: Sample(id=row["id"], prompt=row["prompt"]),
    scorer=lambda sample, output: {"x": 0.0},
)


def test_rows_become_samples_in_their_order():
    rows = [{"id": "b", "prompt": "?"}, {"id": "a", "prompt": "!"}]
    assert [(one.id, one.prompt) for one in samples_of(SUITE, rows)] == [("b", "?"), ("a", "!")]


def test_a_row_that_makes_no_sample_is_named_with_what_it_has():
    with pytest.raises(SuiteError, match=r"here:3.*KeyError: 'prompt'") as caught:
        samples_of(SUITE, [{"id": "a", "origin": "here:3"}])
    assert "The row has: id, origin." in caught.value.message


def test_two_samples_of_one_id_are_an_error_that_names_both_rows():
    rows = [{"id": "a", "prompt": "?", "origin": f"here:{line}"} for line in (1, 7)]
    with pytest.raises(SuiteError, match=r"'a' occurs twice, at here:1 and here:7"):
        samples_of(SUITE, rows)
