"""Answers -> scores: what a scorer gives must be finite and of one sample each; metrics and floors over them."""

import dataclasses
import functools
import json

import pytest

from harness import Mean, Sample
from harness.errors import StatisticsError, SuiteError
from harness.evaluation.scored.scores import scored, summary
from tests.hand_made import add, measure


def test_a_score_that_is_not_finite_names_its_sample(made):
    alpha = add(made, "alpha")
    with pytest.raises(SuiteError, match="suite tone: sample s01: score 'x' is nan"):
        measure(made, alpha, x=[0.5, float("nan"), 0.5])
    with pytest.raises(SuiteError, match="sample s02: score 'x' is inf"):
        measure(made, alpha, x=[0.5, 0.5, float("inf")])


def test_a_count_that_is_not_finite_names_its_sample(made):
    with pytest.raises(SuiteError, match=r"sample s01: score 'counts' is \[1, inf\]"):
        measure(made, add(made, "alpha"), counts=[[1, 2], [1, float("inf")]])


def test_an_id_that_occurs_twice_is_named(made):
    samples = [Sample(id=name, prompt="?") for name in ("a", "b", "a")]
    with pytest.raises(SuiteError, match="suite tone: id 'a' occurs twice"):
        measure(made, add(made, "alpha"), samples=samples, x=[0.1, 0.2, 0.3])


def test_a_single_score_that_is_not_right_or_wrong_has_no_spread(made):
    with pytest.raises(StatisticsError, match=r"0\.5 alone has no spread"):
        measure(made, add(made, "alpha"), x=[0.5])


def test_a_list_of_counts_without_a_metric_that_sums_it_is_an_error(made):
    with pytest.raises(StatisticsError, match="'counts' is a list of 2 counts, and no declared metric sums it"):
        measure(made, add(made, "alpha"), counts=[[1, 2], [1, 3]])


@pytest.mark.parametrize("score", ["0.5", {"a": 1}, [1, "2"], 1j])
def test_a_score_that_is_no_number_names_its_sample(made, score):
    with pytest.raises(SuiteError, match="suite tone: sample s01: score 'x' is ") as caught:
        measure(made, add(made, "alpha"), x=[0.5, score])
    assert repr(score) in caught.value.message


@pytest.mark.parametrize("returned", [None, 1.0, [("x", 1.0)]])
def test_a_scorer_that_returns_no_scores_is_named(made, returned):
    def forgetful(sample, output):
        return returned

    with pytest.raises(SuiteError, match="sample a: forgetful returns .*, not scores"):
        scored(suite(made, scorer=forgetful), [Sample(id="a")], [{"completion": ""}])


def suite(made, **changes):
    return dataclasses.replace(made.project.suite("tone"), **changes)


def test_a_scorer_that_fails_is_named_with_the_sample(made):
    def broken(sample, output):
        return {"x": output["absent"]}

    with pytest.raises(SuiteError, match="suite tone: sample a: broken fails with KeyError: 'absent'"):
        scored(suite(made, scorer=broken), [Sample(id="a")], [{"completion": ""}])


def test_a_partial_scorer_that_fails_is_named_by_its_function(made):
    def broken(sample, output, k):
        return {"x": output["absent"]}

    with pytest.raises(SuiteError, match=r"sample a: .*broken fails with KeyError"):
        scored(suite(made, scorer=functools.partial(broken, k=3)), [Sample(id="a")], [{"completion": ""}])


def test_a_mistake_that_the_scorer_explains_itself_is_not_explained_again(made):
    def refusing(sample, output):
        raise SuiteError("suite tone: sample a has no reference.")

    with pytest.raises(SuiteError, match=r"^suite tone: sample a has no reference\.$"):
        scored(suite(made, scorer=refusing), [Sample(id="a")], [{"completion": ""}])


def test_a_sample_keeps_what_was_asked_wanted_and_answered(made):
    score = lambda sample, output: {"x": 1.0}
    samples = [
        Sample(id="free", prompt="Why?", target="Because.", cluster="c"),
        Sample(id="choice", prompt="Which?", choices=("a", "b"), target=1),
        Sample(id="none", prompt="What?"),
    ]
    answers = [{"completion": "So \ud800."}, {"chosen": 0}, {}]
    free, choice, none = scored(suite(made, scorer=score), samples, answers)
    assert (free.prompt, free.target, free.completion, free.cluster) == ("Why?", "Because.", "So ?.", "c")
    assert (choice.target, choice.completion) == ("b", "a"), "the option chosen, in words"
    assert (none.target, none.completion, none.cluster) == (None, None, None)


def test_a_summary_counts_what_there_was_to_ask_beside_what_was_asked(made):
    everything = [Sample(id=f"s{i}", cluster=f"c{i // 3}") for i in range(10)]
    own = suite(made, scorer=lambda sample, output: {"x": output["x"]}, metrics=[Mean("x", (0, 1))])
    rows = scored(own, everything[:4], [{"x": x} for x in (1.0, 0.0, 1.0, 1.0)])
    found = summary(own, rows, everything)
    assert (found["samples"], found["samples_available"], found["largest_cluster"]) == (4, 10, 3)
    assert found["metrics"]["x"]["estimate"] == 0.75
    assert found["computed"] == [{"is": "Mean", "name": "x", "bounds": [0, 1]}]


def test_floors_are_kept_of_the_metrics_there_are_and_a_failing_one_is_named(made):
    own = suite(made, scorer=lambda sample, output: {"x": 1.0}, floors=lambda samples: {"x": {"chance": 0.25}, "y": {}})
    samples = [Sample(id="a"), Sample(id="b")]
    rows = scored(own, samples, [{}, {}])
    assert summary(own, rows, samples)["floors"] == {"x": {"chance": 0.25}}
    broken = dataclasses.replace(own, floors=lambda samples: 1 / 0)
    with pytest.raises(SuiteError, match="suite tone: its floors fail with ZeroDivisionError"):
        summary(broken, rows, samples)


def test_a_row_tells_what_was_asked_and_how_the_answer_ended(made):
    alpha = add(made, "alpha")
    sample = Sample(id="a", prompt="Two?", target={"parts": ["one", 2]})
    answer = {
        "completion": "2", "scores": {"x": 1.0}, "rendered_prompt": "<user>Two?", "prompt_tokens": 4,
        "completion_tokens": 1, "finish_reason": "end",
    }  # fmt: skip
    suite = made.project.suite("tone")
    [row] = scored(suite, [sample], [answer])
    assert (row.prompt, row.rendered_prompt, row.target) == ("Two?", "<user>Two?", None)
    assert json.loads(row.target_json) == {"parts": ["one", 2]}
    assert (row.prompt_tokens, row.completion_tokens, row.finish_reason) == (4, 1, "end")
    [bare] = scored(suite, [Sample(id="b", prompt="?")], [{"completion": "", "scores": {"x": 0.0}}])
    assert (bare.target_json, bare.finish_reason, bare.prompt_tokens) == (None, None, None)
    cut = dataclasses.replace(row, sample_id="c", finish_reason="length")
    told = summary(suite, [row, bare, cut], [sample])["finish_reasons"]
    assert told == {"end": 1, "length": 1}
    assert measure(made, alpha, x=[0.1, 0.2]).finish_reasons == {}


def test_a_target_that_json_has_no_form_for_is_kept_as_text(made):
    suite = made.project.suite("tone")
    [row] = scored(
        suite, [Sample(id="a", prompt="?", target={("a", "b"): 1})], [{"completion": "", "scores": {"x": 1.0}}]
    )
    assert json.loads(row.target_json) == "{('a', 'b'): 1}"
