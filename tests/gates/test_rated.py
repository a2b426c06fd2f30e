"""Claims about what people said: judged on ratings of the present answers, by prompts and raters."""

import pytest

pytest.importorskip("krippendorff")

from harness import Claim, Sample
from harness.errors import RecipeError
from harness.gates.ship import line_of
from harness.store.ratings import Comparison, RaterFile, Rating
from tests.hand_made import add, judged, measure

PREFERRED = Claim("rating", "preferred", higher_than="other")


@pytest.fixture
def sides(made):
    """Two recipes whose answers to 24 prompts are measured; the first claims to be preferred."""
    own = add(made, "own", claims=[PREFERRED])
    other = add(made, "other")
    samples = [Sample(id=f"s{i:02}", prompt="?", cluster=f"topic {i // 2}") for i in range(24)]
    for subject in (own, other):
        measure(made, subject, samples=samples, conversational=[0.5] * 24)
    return own, other


def comparison(made, first, second=None, points=None):
    sides = [one for one in (first, second) if one is not None]
    keys = [made.results.planned(made.project.suite("tone"), one).answers_key for one in sides]
    return Comparison("tone", tuple(one.id for one in sides), tuple(keys), points)


def rate(made, of, values, raters=("Anna", "Ben", "Cleo"), showing=0):
    """Each rater says the i-th of the values of sample i."""
    for rater in raters:
        file = RaterFile(made.store, of, rater, "secret")
        for i, value in enumerate(values):
            file.add(Rating(rater, f"s{i:02}", showing, value, of.subjects[0]))


def test_without_ratings_it_is_skipped_with_the_command(made, sides):
    found = judged(made, sides[0])
    assert found.verdict == "skipped"
    assert found.message == "nobody has rated these answers; add it: harness rate own-mini other-mini"
    assert found.suite == "rating"


@pytest.mark.parametrize(("value", "verdict"), [("first", "pass"), ("second", "fail"), ("same", "inconclusive")])
def test_a_clear_preference_is_decided(made, sides, value, verdict):
    rate(made, comparison(made, *sides), [value] * 18 + ["same"] * 6)
    found = judged(made, sides[0])
    assert found.verdict == verdict, found.message
    shares = {"first": (0.75, 0.0), "second": (0.0, 0.75), "same": (0.0, 0.0)}[value]
    assert (found.candidate, found.baseline) == shares
    assert found.reference == "other-mini"
    if value == "first":
        assert "Its rating preferred is 0.750 against other's 0.000; the difference is +0.750" in found.message
        assert "two-way clustered t, 12 items, 3 raters" in found.message
        assert line_of(made.gates.of_all([sides[0]])[0], made.suites) == "better"


def test_it_is_the_same_seen_from_the_other_side(made, sides):
    own, other = sides
    rate(made, comparison(made, own, other), ["first"] * 16 + ["second"] * 8)
    there = judged(made, own)
    made.recipes.clear()
    own = add(made, "own", claims=[Claim("rating", "preferred", lower_than="other")])
    add(made, "other")
    here = judged(made, own)
    assert (here.estimate, here.low, here.high) == (there.estimate, there.low, there.high)
    assert here.estimate == pytest.approx(1 / 3)


def test_second_showings_and_ratings_of_other_answers_do_not_count(made, sides):
    own, other = sides
    of = comparison(made, own, other)
    rate(made, of, ["first"] * 24)
    before = judged(made, own)
    rate(made, of, ["second"] * 24, showing=1)
    rate(made, Comparison("tone", of.subjects, ("old", "older")), ["second"] * 24)
    rate(made, comparison(made, own, points=5), ["1"] * 24)
    assert judged(made, own) == before


def test_a_margin_moves_the_edge(made, sides):
    own, other = sides
    rate(made, comparison(made, own, other), ["first"] * 10 + ["second"] * 9 + ["same"] * 5)
    made.recipes.clear()
    claims = [
        Claim("rating", "preferred", no_lower_than="other", margin=0.95),
        Claim("rating", "preferred", higher_than="other", by=0.95),
    ]
    own = add(made, "own", claims=claims)
    add(made, "other")
    no_worse, much_better = judged(made, own, 0), judged(made, own, 1)
    assert (no_worse.verdict, much_better.verdict) == ("pass", "fail")
    assert no_worse.estimate == pytest.approx(1 / 24)
    assert much_better.estimate == pytest.approx(1 / 24)
    assert (no_worse.threshold, much_better.threshold) == (-0.95, 0.95)


def test_points_are_held_against_a_number(made):
    own = add(made, "own", claims=[Claim("rating", "score", above=3.5), Claim("rating", "score", below=2.0)])
    measure(made, own, conversational=[0.5] * 24)
    rate(made, comparison(made, own, points=5), ["4", "5"] * 12)
    high, low = judged(made, own, 0), judged(made, own, 1)
    assert (high.verdict, low.verdict) == ("pass", "fail")
    assert (high.candidate, high.baseline, high.estimate) == (4.5, 3.5, 1.0)
    assert low.estimate == 2.5


@pytest.mark.parametrize(
    ("metric", "how"),
    [
        ("tone", {"higher_than": "x"}),
        ("preferred", {"above": 0.5}),
        ("score", {"higher_than": "x"}),
        ("score", {"equals": 5.0}),
    ],
)
def test_what_people_are_not_asked_cannot_be_claimed(metric, how):
    with pytest.raises(RecipeError, match="people are not asked that|preferred is of two recipes"):
        Claim("rating", metric, **how)
