"""Scores of many samples as one number: which samples it concerns, its bounds, and metrics as stored values."""

import re

import pytest

from harness import Mean, Ratio
from harness.errors import StatisticsError, SuiteError
from harness.fingerprint.values import plain
from harness.scoring import Corpus
from harness.scoring.metrics import metric_from, metrics_of


def test_a_metric_comes_back_from_what_is_stored():
    for metric in (Mean("acc"), Ratio("perplexity", "nll", "tokens", form="exp"), Corpus("chrf")):
        assert metric_from(plain(metric)) == metric


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda: Mean("acc", better="up"), "Mean 'acc': better is the str 'up', and has to be one of higher, lower"),
        (lambda: Mean("acc", bounds=1.0), "Mean 'acc': bounds is the float 1.0, and has to be a list of 2"),
        (lambda: Ratio("x", "a", "b", form="log"), "Ratio 'x': form 'log' is none of plain, exp"),
        (lambda: Corpus("meteor"), "Corpus 'meteor': name 'meteor' is none of bleu, chrf"),
    ],
)
def test_a_metric_that_cannot_be_is_an_error_where_it_is_declared(metric, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        metric()


def test_which_score_is_better_is_no_part_of_keys():
    assert plain(Mean("typos", better="lower")) == plain(Mean("typos"))


def test_without_a_declaration_every_score_has_its_mean():
    assert metrics_of((), [{"acc": 1.0}, {"acc": 0.0, "words": 2.0}]) == [Mean("acc"), Mean("words")]
    assert metrics_of([Mean("acc")], [{"words": 2.0}]) == [Mean("acc")]


def test_a_score_missing_on_one_sample_is_never_taken_as_zero():
    with pytest.raises(StatisticsError, match=r"score 'acc' is missing on 1 of 3 samples \(first: number 1\)"):
        Mean("acc").interval([{"acc": 1.0}, {"words": 2.0}, {"acc": 0.0}])


def test_a_mean_is_over_the_samples_that_it_concerns():
    rows = [{"unseen": 1.0}, {"unseen": None}, {"unseen": 0.0}, {"unseen": 1.0}]
    interval = Mean("unseen").interval(rows, ["a", "b", "c", "c"])
    assert (interval.estimate, interval.n) == (pytest.approx(2 / 3), 3)
    difference = Mean("unseen").difference(rows, [{"unseen": 0.0}, {"unseen": None}, {"unseen": 0.0}, {"unseen": 1.0}])
    assert (difference.estimate, difference.n) == (pytest.approx(1 / 3), 3)


def test_a_mean_that_concerns_nothing_or_other_samples_is_an_error():
    with pytest.raises(StatisticsError, match="concerns none of the 2 samples"):
        Mean("unseen").interval([{"unseen": None}, {"unseen": None}])
    with pytest.raises(StatisticsError, match="does not concern the same samples"):
        Mean("unseen").difference([{"unseen": 1.0}, {"unseen": None}], [{"unseen": 1.0}, {"unseen": 1.0}])


def test_clusters_that_group_nothing_change_nothing():
    rows = [{"x": float(i)} for i in range(8)]
    alone = Mean("x").interval(rows)
    assert Mean("x").interval(rows, [str(i) for i in range(8)]) == alone
    assert Mean("x").interval(rows, [None] * 8) == alone
    assert Mean("x").interval(rows, ["a", "a", "b", "b", "c", "c", "d", "d"]) != alone


def test_an_interval_does_not_leave_the_bounds_of_its_score():
    rows = [{"p": value} for value in (1.0, 1.0, 0.9, 0.5)]
    free, bound = Mean("p").interval(rows), Mean("p", bounds=(0.0, 1.0)).interval(rows)
    assert free.high > 1.0
    assert (bound.low, bound.high, bound.estimate) == (free.low, 1.0, free.estimate)


def test_a_sample_without_a_cluster_stands_alone_beside_the_clusters():
    rows = [{"x": float(i // 10 % 2)} for i in range(200)]
    clusters = [f"c{i // 10}" for i in range(200)]
    own = Mean("x").interval(rows, clusters)
    more = Mean("x").interval([*rows, {"x": 0.0}], [*clusters, None])
    assert own.high - own.low > 0.3
    assert more.high - more.low == pytest.approx(own.high - own.low, rel=0.1)
    alone = Mean("x").interval(rows, ["c"] * 200)
    assert alone.method.endswith("all in one cluster, taken as independent")


def test_a_sum_over_the_corpus_needs_every_sample():
    with pytest.raises(StatisticsError, match="'a' is None on sample number 1"):
        Ratio("rate", "a", "b").interval([{"a": 1.0, "b": 1.0}, {"a": None, "b": 1.0}])


def test_seeds_must_concern_the_same_samples():
    rows = [{"x": 1.0}, {"x": None}, {"x": 0.0}]
    with pytest.raises(StatisticsError, match="does not concern the same samples under every seed"):
        Mean("x").over_seeds([rows, rows[::-1][:1] + rows[:2]], None)
