"""Two sides' scores -> the difference that a claim is about: estimate, interval, edge, and the loudest samples."""

from types import SimpleNamespace

import pytest

from harness import Claim, Mean, Ratio, Target
from harness.claims import Regression
from harness.errors import SuiteError
from harness.gates.evidence import Loud, Missing, evidence
from harness.gates.evidence.difference import cut_in_words
from tests.gates.alpha_and_beta import LOWER, against_reference
from tests.gates.evidence.by_hand import evaluation, scored
from tests.hand_made import add, judged, measure

OURS, THEIRS = [0.3, 0.1, 0.4, 0.2, 0.35, 0.15], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]


def against_beta(**claim):
    """The difference of six samples from beta's, which are 0.5 each; on average they are 0.25 lower."""
    sides = evaluation(scored(x=OURS)), evaluation(scored(x=THEIRS))
    return evidence(Claim("tone", "x", **claim), [[sides[0]]], {"beta": [sides[1]]})


@pytest.mark.parametrize(
    ("claim", "wanted", "margin", "edge"),
    [
        ({"lower_than": "beta"}, "below", 0.0, 0.0),
        ({"lower_than": "beta", "by": 0.1}, "below", 0.1, -0.1),
        ({"higher_than": "beta", "by": 0.1}, "above", 0.1, 0.1),
        ({"no_higher_than": "beta", "margin": 0.1}, "below", -0.1, 0.1),
        ({"no_lower_than": "beta", "margin": 0.1}, "above", -0.1, -0.1),
    ],
)
def test_a_claim_says_on_which_side_of_which_edge_the_difference_should_lie(claim, wanted, margin, edge):
    found = against_beta(**claim)
    assert (found.wanted, found.margin, found.edge) == (wanted, margin, edge)
    assert (found.candidate, found.baseline) == (pytest.approx(0.25), 0.5)
    assert found.estimate == pytest.approx(-0.25)
    assert found.low < -0.25 < found.high
    assert (found.side, found.against, found.n, found.seeds) == ("beta", "beta's 0.500", 6, 1)


def test_a_number_is_taken_off_estimate_and_interval():
    found = evidence(Claim("tone", "x", below=0.4), [[evaluation(scored(x=OURS))]], {})
    assert (found.candidate, found.baseline) == (pytest.approx(0.25), 0.4)
    assert found.estimate == pytest.approx(-0.15)
    alone = Mean("x").interval([{"x": x} for x in OURS])
    assert (found.low, found.high) == (pytest.approx(alone.low - 0.4), pytest.approx(alone.high - 0.4))
    assert (found.side, found.against, found.edge) == (None, "0.4", 0.0)


def test_samples_of_several_suites_are_judged_as_one_and_their_clusters_stay_apart():
    target = Target("tone", "x", at_least=0.2, together_with=["more"])
    first = evaluation(scored(x=OURS[:3], clusters=["a", "a", "b"]))
    second = evaluation(scored(x=OURS[3:], clusters=["a", "b", "b"]), suite={"name": "more"})
    found = evidence(target, [[first, second]], {})
    assert found.candidate == pytest.approx(0.25)
    assert (found.n, found.against) == (6, "the target 0.2")
    rows, four = [{"x": x} for x in OURS], ["a", "a", "b", "c", "d", "d"]
    assert found.high - found.low == pytest.approx((own := Mean("x").interval(rows, four)).high - own.low)


def test_the_highest_of_the_floors_named_counts():
    target = Target("tone", "x", above=["chance", "first_answer"])
    floors = {"x": {"chance": 0.25, "first_answer": 0.5, "longest_answer": 0.75}}
    found = evidence(target, [[evaluation(scored(x=OURS), floors=floors)]], {})
    assert (found.side, found.against) == ("first_answer", "the floor first_answer 0.500")
    assert found.estimate == pytest.approx(-0.25)


def test_of_a_floor_measured_under_several_seeds_the_average_counts():
    untrained = [evaluation(scored(x=[level] * 6)) for level in (0.1, 0.4)]
    target = Target("tone", "x", above=["chance", "untrained"])
    floors = {"x": {"chance": 0.2}}
    own = [[evaluation(scored(x=[x + seed / 100 for x in OURS]), floors=floors)] for seed in range(2)]
    assert evidence(target, own, {"untrained": untrained}).side == "untrained", "0.25 on average"
    lower = {"untrained": [untrained[0], untrained[0]]}
    assert evidence(target, own, lower).side == "chance"


def test_distances_from_equality_are_those_of_single_samples():
    found = evidence(Claim("tone", "x", equals=1.0), [[evaluation(scored(x=[1.0, 1.5, 1.0, 0.5]))]], {})
    assert (found.estimate, found.low, found.high, found.wanted) == (0.0, -0.5, 0.5, "equal")
    assert found.method == "held on 2 of 4 samples"
    assert found.loudest == (Loud("s01", 1.5, None), Loud("s03", 0.5, None))


def test_equality_looks_only_at_the_samples_that_it_concerns(made):
    alpha = add(made, "alpha", [Claim("tone", "hallucinated", equals=0.0)])
    measure(made, alpha, hallucinated=[None] * 20 + [0.0] * 10)
    found = judged(made, alpha)
    assert found.passed
    assert "held on 10 of 10 samples" in found.message


def test_equality_of_a_corpus_metric_is_refused():
    samples = scored(acc=[1.0, 2.0, 1.0], loss=[1.0, 2.0, 2.0])
    with pytest.raises(SuiteError, match="no single sample has that score"):
        evidence(Claim("tone", "rate", equals=1.0), [[evaluation(samples, metrics=[Ratio("rate", "acc", "loss")])]], {})


# ---- against a baseline -------------------------------------------------------------------------------


def since_main(ours, theirs, rises=False, **sides):
    claim = Regression("tone", "x", 0.1, rises, "main")
    candidate = evaluation(scored(x=ours), key="new", **sides)
    return evidence(claim, [[candidate]], {"main": [evaluation(scored(x=theirs), key="old", **sides)]})


@pytest.mark.parametrize(("rises", "wanted", "edge"), [(False, "above", -0.1), (True, "below", 0.1)])
def test_a_guarded_metric_is_tested_one_sided_against_its_margin(rises, wanted, edge):
    found = since_main(OURS, THEIRS, rises)
    assert (found.wanted, found.margin, found.edge, found.level) == (wanted, -0.1, edge, 0.9)
    assert (found.side, found.against) == ("baseline main", "0.500 in baseline main")
    assert found.estimate == pytest.approx(-0.25)
    assert (found.p_value > 0.95) == (not rises), "it fell by more than 0.1"
    assert found.low <= found.estimate <= found.high


def test_the_very_same_evaluation_differs_by_nothing():
    claim = Regression("tone", "x", 0.1, False, "main")
    one = evaluation(scored(x=OURS))
    found = evidence(claim, [[one]], {"main": [one]})
    assert (found.estimate, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 0.0)
    assert found.method == "the very same evaluation"
    assert found.against == "0.250 in baseline main"


# ---- under what both sides were answered --------------------------------------------------------------

ON_H100 = {"device": "cuda:0", "environment": {"gpu": "NVIDIA H100"}, "chat_template": "c", "prompt_digest": "p"}
ON_CPU = {"device": "cpu", "environment": {}, "chat_template": "c2", "prompt_digest": "p2"}


def test_a_difference_says_what_was_not_alike_on_both_sides_of_any_seed():
    ours = [[evaluation(scored(x=OURS), **ON_CPU)] for _ in range(2)]
    theirs = [evaluation(scored(x=THEIRS), **record) for record in (ON_CPU, ON_H100)]
    claim = Claim("tone", "x", lower_than="beta")
    found = evidence(claim, ours, {"beta": theirs})
    assert (found.asked_otherwise, found.computed_otherwise) == ("chat templates", "a CPU and NVIDIA H100")
    alike = evidence(claim, ours, {"beta": theirs[:1] * 2})
    assert (alike.asked_otherwise, alike.computed_otherwise) == ("", "")


def test_a_baseline_set_on_other_hardware_is_said():
    record = {**ON_H100, "environment": {"gpu": "NVIDIA L4"}}
    sides = evaluation(scored(x=OURS), key="new", **ON_H100), evaluation(scored(x=THEIRS), key="old", **record)
    found = evidence(Regression("tone", "x", 0.1, False, "main"), [[sides[0]]], {"main": [sides[1]]})
    assert (found.asked_otherwise, found.computed_otherwise) == ("", "NVIDIA H100 and NVIDIA L4")


# ---- loudest samples ----------------------------------------------------------------------------------


def test_loudest_samples_come_with_both_scores(made):
    found = against_reference(made, LOWER, lower_than="beta")
    assert found.loudest[0] == Loud("s01", pytest.approx(0.101), pytest.approx(0.501))
    assert "Loudest samples: s01 (0.101 against 0.501), s03" in found.message


def test_the_three_samples_that_say_most_for_the_outcome_are_named_the_loudest_first():
    found = against_beta(lower_than="beta")
    assert found.loudest == (Loud("s01", 0.1, 0.5), Loud("s05", 0.15, 0.5), Loud("s03", 0.2, 0.5))


def test_samples_are_loud_beyond_the_edge_of_the_claim():
    found = against_beta(lower_than="beta", by=0.32)  # only two samples are lower by more; the difference is not
    assert [one.sample_id for one in found.loudest] == ["s02", "s04", "s00"], "they speak for the failure"


def test_a_sample_that_the_score_does_not_concern_is_never_loud():
    sides = evaluation(scored(x=[None, 0.1, 0.2])), evaluation(scored(x=[None, 0.5, 0.5]))
    found = evidence(Claim("tone", "x", lower_than="beta"), [[sides[0]]], {"beta": [sides[1]]})
    assert [one.sample_id for one in found.loudest] == ["s01", "s02"]


def test_what_is_missing_is_told_with_the_command_where_there_is_one():
    assert str(Missing("alpha is not measured", "pytest suites/")) == "alpha is not measured; add it: pytest suites/"
    assert str(Missing("beta has no variant 'mini'")) == "beta has no variant 'mini'"


def test_it_is_told_whose_completions_were_cut_where_they_are_many():
    sides = {
        "its": [SimpleNamespace(finish_reasons={"length": 30, "end": 10}), SimpleNamespace(finish_reasons={"end": 40})],
        "base's": [SimpleNamespace(finish_reasons={"length": 2, "end": 38})],
        "untrained's": [SimpleNamespace(finish_reasons={})],
    }
    assert cut_in_words(sides) == "30 of its 80"
    sides["base's"] = [SimpleNamespace(finish_reasons={"length": 1200})]
    assert cut_in_words(sides) == "30 of its 80 and 1,200 of base's 1,200"
