"""Stored answers scored anew: whose they are, that no model is asked, and what has no answers."""

import dataclasses

import pytest

from harness.errors import SuiteError
from harness.evaluation.asking.answers import store_answers
from harness.evaluation.asking.rows import SuiteRows
from harness.jobs.rescore import Rescored, rescore
from tests.hand_made import add, answered


def twice(sample, output):
    return {"x": 2 * output["scores"]["x"]}


def broken(sample, output):
    return {"x": 1 / 0}


@pytest.fixture
def rows(made):
    return SuiteRows(made.keys.access)


@pytest.fixture
def tone(made, rows):
    """An evaluation whose answers are stored."""
    planned = made.results.planned(made.project.suite("tone"), add(made, "alpha"))
    samples = rows.samples(planned.suite)
    store_answers(made.store, planned, answered(samples, x=[0.25] * len(samples)))
    return planned


def scored_by(made, planned, scorer):
    return made.results.planned(dataclasses.replace(planned.suite, scorer=scorer), planned.subject)


def test_stored_answers_are_scored_by_the_suite_as_it_is_now(made, rows, tone):
    [first] = rescore(made.results, rows, [tone])
    count = len(rows.samples(tone.suite))
    assert first == Rescored("alpha-mini", "tone", "x", 0.25, 0.25, 0.25, count)
    [second] = rescore(made.results, rows, [scored_by(made, tone, twice)])
    assert (second.estimate, second.n) == (0.5, count)
    assert list(rescore(made.results, rows, [tone])) == []  # which is stored


def test_what_was_never_answered_is_passed_over(made, rows, tone):
    beta = made.results.planned(made.project.suite("tone"), add(made, "beta"))
    assert [one.subject for one in rescore(made.results, rows, [beta, tone])] == ["alpha-mini"]
    assert not made.store.holds("evaluations", beta.key)


def test_a_scorer_that_fails_names_the_sample_and_the_answers_stay(made, rows, tone):
    with pytest.raises(SuiteError, match="ZeroDivisionError"):
        list(rescore(made.results, rows, [scored_by(made, tone, broken)]))
    [again] = rescore(made.results, rows, [tone])
    assert again.estimate == 0.25
