"""Corpus metrics: intervals by drawing samples again, tests by exchanging answers, against scipy and sacrebleu."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.errors import StatisticsError
from harness.statistics import Resampling, bootstrap_interval, paired_bootstrap, paired_randomization


def test_bootstrap_of_a_ratio_agrees_with_scipy():
    generator = np.random.default_rng(11)
    size = generator.lognormal(4, 0.5, 60)
    nats = size * generator.normal(0.9, 0.2, 60)
    interval = bootstrap_interval(lambda i: nats[i].sum() / size[i].sum(), 60, resampling=Resampling(4000))
    expected = stats.bootstrap(
        (nats, size),
        lambda a, b, axis=-1: a.sum(axis) / b.sum(axis),
        paired=True,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = expected.high - expected.low
    assert interval.estimate == pytest.approx(nats.sum() / size.sum())
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_bootstrap_repeats_exactly_and_draws_whole_clusters():
    scores = np.repeat(np.random.default_rng(12).normal(size=40), 6)

    def mean(i):
        return scores[i].mean()

    alone = bootstrap_interval(mean, scores)
    clustered = bootstrap_interval(mean, scores, clusters=np.repeat(range(40), 6))
    assert bootstrap_interval(mean, 240) == alone
    ratio = (clustered.high - clustered.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(6), rel=0.15)


def test_paired_bootstrap_sees_a_difference_and_no_difference():
    generator = np.random.default_rng(13)
    size = generator.lognormal(4, 0.5, 100)
    nats = size * generator.normal(0.9, 0.2, 100)

    def per_byte(total):
        return lambda i: total[i].sum() / size[i].sum()

    few = Resampling(500)
    same = paired_bootstrap((per_byte(nats), per_byte(nats)), 100, resampling=few)
    assert (same.estimate, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    less = per_byte(nats - 0.05 * size * generator.random(100))
    better = paired_bootstrap((less, per_byte(nats)), 100, resampling=few)
    assert better.high < 0
    assert better.p_value == pytest.approx(1 / 500)
    noise = paired_bootstrap((per_byte(generator.permutation(nats)), per_byte(nats)), 100, resampling=few)
    assert (noise.p_value < 0.05) == (noise.low > 0 or noise.high < 0)


def test_bootstrap_refuses_a_statistic_that_is_not_finite():
    with pytest.raises(StatisticsError, match="statistic is nan"):
        bootstrap_interval(lambda i: math.nan, 10)
    with pytest.raises(StatisticsError, match="At least 2"):
        bootstrap_interval(lambda i: 1.0, 1)


def test_bootstrap_p_against_a_number_is_where_the_interval_ends():
    x = np.random.default_rng(7).lognormal(size=200)
    mean = lambda index: x[index].mean()
    found = bootstrap_interval(mean, 200)
    assert found.p_value is None
    assert bootstrap_interval(mean, 200, against=found.low).p_value == pytest.approx(0.05, abs=0.003)
    assert bootstrap_interval(mean, 200, against=found.estimate).p_value > 0.9


def test_too_few_resamples_are_refused_and_another_seed_draws_others():
    x = np.random.default_rng(14).normal(size=50)
    mean = lambda index: x[index].mean()
    with pytest.raises(StatisticsError, match=r"bootstrap: resamples is 99\..*\n.*At least 100 are needed"):
        bootstrap_interval(mean, 50, resampling=Resampling(99))
    with pytest.raises(StatisticsError, match="randomization: 25 samples, 99 resamples"):
        paired_randomization(mean, 25, resampling=Resampling(99))
    ends = [bootstrap_interval(mean, 50, resampling=Resampling(500, seed)).high for seed in (0, 0, 1)]
    assert ends[0] == ends[1] != ends[2]


# ---- by exchanging answers ----------------------------------------------------------------------------


def bleu_of(candidate, baseline, references):
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=False)
    counts = np.array([
        metric._extract_corpus_statistics([answer], [[reference]])[0]
        for side in (candidate, baseline)
        for answer, reference in zip(side, references, strict=True)
    ])  # fmt: skip
    return lambda index: metric._compute_score_from_stats(counts[index].sum(0).tolist()).score


def test_corpus_tests_agree_with_sacrebleu():
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    generator = np.random.default_rng(11)
    words = np.array(
        [
            "the",
            "a",
            "river",
            "city",
            "of",
            "in",
            "is",
            "was",
            "large",
            "small",
            "old",
            "founded",
            "lies",
            "north",
            "south",
            "bank",
            "by",
            "king",
            "and",
            "it",
        ]
    )
    references = [" ".join(generator.choice(words, 12)) for _ in range(80)]

    def spoilt(share):
        return [
            " ".join(word if generator.random() > share else generator.choice(words) for word in line.split())
            for line in references
        ]

    baseline, candidate = spoilt(0.50), spoilt(0.45)
    statistic = bleu_of(candidate, baseline, references)
    many = Resampling(4000)
    for kind, ours in (
        ("ar", paired_randomization(statistic, 80, resampling=many)),
        ("bs", paired_bootstrap((statistic, lambda index: statistic(index + 80)), 80, resampling=many).p_value),
    ):
        systems = [("baseline", baseline), ("candidate", candidate)]
        test = PairedTest(systems, {"BLEU": BLEU(references=[references])}, None, test_type=kind, n_samples=4000)
        theirs = test()[1]["BLEU"][1]
        assert theirs.score == pytest.approx(statistic(np.arange(80)), abs=1e-9)
        # sacrebleu's bootstrap counts deviations from the mean one-sidedly about it; ours inverts the BCa interval
        assert ours == pytest.approx(theirs.p_value, abs=0.02 if kind == "ar" else 0.06), kind


def test_exchanging_identical_answers_tells_nothing():
    assert paired_randomization(lambda index: 1.0, 10, resampling=Resampling(100)) == 1.0
    x = np.concatenate([np.full(20, 2.0), np.zeros(20)])
    mean, many = lambda index: x[index].mean(), Resampling(999)
    assert paired_randomization(mean, 20, resampling=many) == pytest.approx(0.001)
    clusters = np.repeat(range(2), 10)  # two coins: all four patterns are as far apart as, or less than, what is seen
    assert paired_randomization(mean, 20, clusters, many) == pytest.approx(0.5, abs=0.06)
