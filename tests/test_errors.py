"""Errors as a user reads them: the kind, the problem, and on a line of its own what to do."""

import pickle

import pytest

from harness import errors
from harness.errors import DataError, HarnessError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarnessError)]


def test_an_error_says_its_kind_the_problem_and_what_to_do():
    error = DataError("rows.jsonl:2: not JSON.", "Mend the line.")
    assert str(error) == "rows.jsonl:2: not JSON.\n    Mend the line."
    assert error.message == "DataError: rows.jsonl:2: not JSON.\n    Mend the line."
    assert (error.problem, error.remedy) == ("rows.jsonl:2: not JSON.", "Mend the line.")


def test_an_error_without_a_remedy_is_one_line():
    error = DataError("rows.jsonl is empty.")
    assert error.message == "DataError: rows.jsonl is empty."
    assert error.remedy == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_harness_error_with_a_sentence_on_what_it_is(kind):
    error = kind("What is wrong.", "What to do.")
    assert isinstance(error, HarnessError)
    assert error.message.startswith(f"{kind.__name__}: What is wrong.")
    assert kind.__doc__.strip().endswith(".")


def test_kinds_are_told_apart():
    assert len(KINDS) > 10
    assert all(kind.__base__ is HarnessError for kind in KINDS if kind is not HarnessError)


def test_an_error_comes_whole_from_another_process():
    sent = DataError("rows.jsonl is empty.", "Fill it.")
    error = pickle.loads(pickle.dumps(sent))
    assert (error.problem, error.remedy, error.message) == (sent.problem, sent.remedy, sent.message)
