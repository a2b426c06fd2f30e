"""Samples of two evaluations in pairs, and what makes two evaluations incomparable."""

import pytest

from harness.errors import SuiteError
from harness.gates.evidence.pairing import Conditions, check_comparable, computed_on, pair_up, paired_samples
from tests.gates.evidence.by_hand import evaluation, scored


def ids(pairs):
    return [[sample.sample_id for sample in side] for side in pairs]


def test_samples_are_paired_by_id_in_the_candidates_order():
    ours, theirs = scored(x=[1.0, 2.0, 3.0], ids=["b", "c", "a"]), scored(x=[4.0, 5.0, 6.0], ids=["a", "b", "c"])
    pairs = pair_up("tone", ours, theirs)
    assert ids(pairs) == [["b", "c", "a"], ["b", "c", "a"]]
    assert [sample.scores["x"] for sample in pairs[1]] == [5.0, 6.0, 4.0]


def test_sides_that_answered_other_samples_say_what_is_missing_where():
    ours, theirs = scored(x=[1.0] * 3, ids=["a", "b", "e"]), scored(x=[1.0] * 4, ids=["a", "b", "c", "d"])
    with pytest.raises(SuiteError) as error:
        pair_up("tone", ours, theirs)
    assert error.value.problem == (
        "suite tone: the two sides did not answer the same samples: 1 are missing in the baseline, 2 in the candidate "
        "(c, d, e)."
    )
    assert "--common" in error.value.remedy


def test_common_samples_alone_are_paired_on_request():
    ours, theirs = scored(x=[1.0] * 3, ids=["e", "b", "a"]), scored(x=[1.0] * 3, ids=["a", "b", "c"])
    assert ids(pair_up("tone", ours, theirs, common=True)) == [["b", "a"], ["b", "a"]]
    with pytest.raises(SuiteError, match="the two sides have no sample in common"):
        pair_up("tone", ours[:1], theirs, common=True)


@pytest.mark.parametrize("candidate", [True, False])
def test_an_id_that_occurs_twice_on_either_side_is_named(candidate):
    once, twice = scored(x=[1.0] * 2, ids=["a", "b"]), scored(x=[1.0] * 3, ids=["a", "b", "a"])
    sides = (twice, once) if candidate else (once, twice)
    with pytest.raises(SuiteError, match="sample id 'a' occurs twice"):
        pair_up("tone", *sides)


# ---- under --adaptive ---------------------------------------------------------------------------------

RULE = {"early": 0.2}


def test_the_order_drawn_is_kept_on_whichever_side_it_is():
    drawn = evaluation(scored(x=[1.0] * 3, ids=["c", "a", "b"]), rule=RULE)
    whole = evaluation(scored(x=[1.0] * 3, ids=["a", "b", "c"]))
    assert ids(paired_samples(drawn, whole)) == ids(paired_samples(whole, drawn)) == [["c", "a", "b"]] * 2


def test_the_candidate_comes_first_whichever_side_was_drawn():
    drawn = evaluation(scored(x=[1.0] * 2, ids=["b", "a"]), rule=RULE)
    whole = evaluation(scored(x=[2.0] * 2, ids=["a", "b"]))
    ours, theirs = paired_samples(whole, drawn)
    assert [sample.scores["x"] for sample in (*ours, *theirs)] == [2.0, 2.0, 1.0, 1.0]


def test_of_what_was_stopped_early_the_samples_answered_by_both_are_compared():
    stopped = evaluation(scored(x=[1.0] * 2, ids=["c", "a"]), rule=RULE, available=3)
    whole = evaluation(scored(x=[1.0] * 3, ids=["a", "b", "c"]))
    for sides in ((stopped, whole), (whole, stopped)):
        assert ids(paired_samples(*sides)) == [["c", "a"]] * 2
    other = evaluation(scored(x=[1.0] * 2, ids=["a", "b"]))
    with pytest.raises(SuiteError, match="did not answer the same samples"):
        paired_samples(whole, other)


# ---- what does not compare ----------------------------------------------------------------------------


def sides(there, here):
    """The blessed evaluation and the candidate; what is given under `suite` and `rule` differs in the spec."""
    samples = scored(x=[1.0, 0.0])
    return evaluation(samples, **here), evaluation(samples, **there)


@pytest.mark.parametrize(
    ("there", "here", "told"),
    [
        ({"suite": {"to_sample": "a" * 64}}, {"suite": {"to_sample": "b" * 64}}, "how rows become samples (aaaaaaaa"),
        ({"suite": {"data": [{"bytes": "x"}]}}, {"suite": {"data": [{"bytes": "y"}]}}, "changed in the rows (x there"),
        ({"suite": {"scorer": "s1"}}, {"suite": {"scorer": "s2"}}, "changed in scorer (s1 there, s2 here)"),
        ({"tokenizer": "one"}, {"tokenizer": "two"}, "the tokenizer differs (one there, two here)"),
        ({"prompt_digest": "one"}, {"prompt_digest": "two"}, "the prompt differs (one there, two here)"),
    ],
)
def test_what_changed_between_two_evaluations_is_named(there, here, told):
    candidate, blessed = sides(there, here)
    with pytest.raises(SuiteError) as error:
        check_comparable(candidate, blessed, "main")
    assert error.value.problem.startswith("baseline main does not compare with alpha-mini: ")
    assert told in error.value.problem


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({}, {}),
        ({"tokenizer": None}, {"tokenizer": "two"}),  # of an evaluation that asked no model nothing is known
        ({"prompt_digest": "one", "rule": RULE}, {"prompt_digest": "two"}),  # over other samples
        ({"prompt_digest": "one"}, {"prompt_digest": "two", "rule": RULE}),
        ({"environment": {"torch": "2.8"}}, {"environment": {"torch": "2.9"}}),
    ],
)
def test_what_changes_no_score_keeps_two_evaluations_comparable(there, here):
    candidate, blessed = sides(there, here)
    check_comparable(candidate, blessed, "main")


# ---- what both were asked -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "differ"),
    [
        (Conditions("t", "c", "p"), ""),
        (Conditions("t", "c2", "p"), ""),  # the template is not used by this suite: the prompts are the same tokens
        (Conditions("t", "c2", "p2"), "chat templates"),
        (Conditions("t2", "c2", "p2"), "tokenizers and chat templates"),
        (Conditions("t2", "c", "p"), "tokenizers"),  # the same numbers mean other tokens
        (Conditions("t", "c", "p2"), "prompts"),
        (Conditions(prompt_digest="p2"), "prompts"),
        (Conditions("t", "c2"), "chat templates"),  # stopped early: the prompts are of other samples
        (Conditions("t", "c"), ""),
        (Conditions(), ""),
    ],
)
def test_what_made_the_prompts_of_two_sides_differ(other, differ):
    mine = Conditions("t", "c", "p")
    assert mine.asked_unlike(other) == other.asked_unlike(mine) == differ


def test_an_evaluation_that_could_stop_early_has_no_digest_of_all_prompts():
    record = {"tokenizer": "t", "chat_template": "c", "prompt_digest": "p"}
    assert Conditions.of(evaluation(scored(x=[1.0]), **record)) == Conditions("t", "c", "p")
    assert Conditions.of(evaluation(scored(x=[1.0]), rule={"batch": 8}, **record)) == Conditions("t", "c", None)


H100, L4 = (
    {"device": "cuda:0", "environment": {"gpu": "NVIDIA H100"}},
    {"device": "cuda:1", "environment": {"gpu": "NVIDIA L4"}},
)
CPU = {"device": "cpu", "environment": {"processor": "AMD EPYC"}}


@pytest.mark.parametrize(
    ("own", "other", "differ"),
    [
        (H100, L4, "NVIDIA H100 and NVIDIA L4"),
        (CPU, H100, "a CPU and NVIDIA H100"),
        (H100, {**H100, "device": "cuda:3"}, ""),
        (CPU, {**CPU, "environment": {"processor": "Intel Xeon"}}, ""),  # in float32 on either
        (H100, {"device": "cuda:0", "environment": {}}, ""),  # recorded before GPUs were
        (H100, {}, ""),
    ],
)
def test_hardware_differs_where_another_kind_of_gpu_or_none_computed_one_side(own, other, differ):
    sides = [Conditions.of(evaluation(scored(x=[1.0]), **record)) for record in (own, other)]
    assert sides[0].computed_unlike(sides[1]) == differ


def test_a_servers_answers_were_computed_on_that_server():
    url = "http://localhost:8000/v1"
    assert computed_on({"device": url, "environment": {}}) == f"the server {url}"
    assert computed_on({"device": "cpu", "environment": {}}) == "a CPU"
    assert computed_on({"device": "cuda:0", "environment": {"gpu": "NVIDIA L4"}}) == "NVIDIA L4"
    assert (
        computed_on({"device": "cuda:0", "environment": {"gpu": "NVIDIA L4"}, "dtype": "float32"})
        == "NVIDIA L4 in float32"
    )
    assert computed_on({}) is None
