"""Scores against numbers worked out by hand, and corpus metrics against their own libraries."""

import math

import pytest

from harness import Mean, Ratio, Sample
from harness.errors import StatisticsError, SuiteError
from harness.fingerprint.values import plain
from harness.scoring import (
    Corpus,
    answer_floors,
    document_likelihood,
    fitness,
    likelihood_and_overlap,
    loss_change,
    multiple_choice,
    text_overlap,
    tone_of_answer,
)
from harness.scoring.likelihood import LIKELIHOOD_METRICS
from harness.scoring.metrics import metric_from, metrics_of
from harness.scoring.overlap import OVERLAP_METRICS
from harness.scoring.service import runs_in_circles

PAIRS = [  # answer, reference
    ("The Danube flows into the Black Sea.", "The Danube flows into the Black Sea near Romania."),
    ("Paris is the capital of France.", "The capital of France is Paris."),
    ("I do not know that.", "Bread is baked from flour, water and yeast."),
    ("", "Gold has the symbol Au."),
    ("A violin is played with a bow, a bow, a bow.", "A violin is played with a bow."),
    ("Mount Everest is 8,849 metres high.", "Mount Everest rises 8,849 metres above the sea."),
]


def choice_sample(*choices, target=0, name="q"):
    return Sample(id=name, prompt="?", choices=choices, target=target)


# ---- choices ------------------------------------------------------------------------------------------


def test_gold_logprob_is_the_right_choices_loglikelihood():
    output = {"loglikelihoods": [-9.5, -12.25, -8.0, -30.0], "acc": False, "acc_norm": True}
    scores = multiple_choice(choice_sample("a", "b", "c", "d", target=1), output)
    assert scores == {"acc": 0.0, "acc_norm": 1.0, "gold_logprob": -12.25}


def test_floors_are_those_counted_by_hand():
    samples = [
        choice_sample("long answer", "b", "c", "d", target=0, name="1"),  # longest right, first right
        choice_sample("a", "two", "six", "d", target=1, name="2"),        # one of two longest: a half
        choice_sample("a", "b", "c", "longest", target=2, name="3"),      # neither
        choice_sample("a", "b", target=0, name="4"),                      # one of two longest, first right; chance 1/2
    ]  # fmt: skip
    floors = answer_floors(samples)["acc_norm"]
    assert floors["chance"] == pytest.approx((0.25 * 3 + 0.5) / 4)
    assert floors["longest_answer"] == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert floors["first_answer"] == pytest.approx(2 / 4)


def test_a_target_that_is_no_choice_is_refused():
    for target in (4, -1, "B", None):
        with pytest.raises(SuiteError, match="is no index of its 4 choices"):
            choice_sample("a", "b", "c", "d", target=target)


# ---- likelihood ---------------------------------------------------------------------------------------


def test_perplexity_and_bits_per_byte_are_ratios_of_sums():
    outputs = [  # 8 bits over 8 bytes, 4 tokens, 2 words; 24 bits over 8 bytes, 4 tokens, 2 words
        {"nll": 8 * math.log(2), "tokens": 4, "words": 2, "bytes": 8},
        {"nll": 24 * math.log(2), "tokens": 4, "words": 2, "bytes": 8},
    ] * 2
    scores = [document_likelihood(Sample(id="d"), output) for output in outputs]
    assert [row["bits"] for row in scores] == pytest.approx([8, 24, 8, 24])
    found = {metric.name: metric.interval(scores).estimate for metric in LIKELIHOOD_METRICS}
    assert found["bits_per_byte"] == pytest.approx(64 / 32)
    assert found["perplexity"] == pytest.approx(2 ** (64 / 16))
    assert found["word_perplexity"] == pytest.approx(2 ** (64 / 8))


def test_the_change_of_a_loss_is_after_less_before():
    assert loss_change(Sample(id="d"), {"before": 3.5, "after": 1.25}) == {
        "held_out_loss_before": 3.5,
        "held_out_loss": 1.25,
        "held_out_loss_change": -2.25,
    }


# ---- overlap ------------------------------------------------------------------------------------------


def overlap_scores(pairs):
    return [text_overlap(Sample(id=str(i), target=r), {"completion": a}) for i, (a, r) in enumerate(pairs)]


def test_rouge_is_that_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for (answer, reference), scores in zip(PAIRS, overlap_scores(PAIRS), strict=True):
        for name, expected in scorer.score(reference, answer).items():
            assert scores[name] == expected.fmeasure


def test_rouge_of_one_pair_by_hand():
    # answer: a b c d, reference: a c b; unigrams 3 of 4 and 3 of 3; bigrams none; longest common subsequence 2
    scores = overlap_scores([("alpha bravo cargo delta", "alpha cargo bravo")])[0]
    assert scores["rouge1"] == pytest.approx(2 * 0.75 * 1 / 1.75)
    assert scores["rouge2"] == 0
    assert scores["rougeL"] == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))


@pytest.mark.parametrize("chosen", [range(6), range(3), [5, 5, 1, 0]], ids=["all", "some", "repeated"])
def test_bleu_and_chrf_of_samples_are_sacrebleus_of_the_corpus(chosen):
    import sacrebleu

    pairs = [PAIRS[i] for i in chosen]
    answers, references = [a for a, _ in pairs], [[r for _, r in pairs]]
    scores = overlap_scores(pairs)
    bleu, chrf = (Corpus(name).interval(scores).estimate for name in ("bleu", "chrf"))
    assert bleu == pytest.approx(sacrebleu.corpus_bleu(answers, references).score)
    assert chrf == pytest.approx(sacrebleu.corpus_chrf(answers, references).score)
    assert chrf > 20


def test_a_difference_of_bleu_is_the_difference_of_two_corpora():
    import sacrebleu

    references = [r for _, r in PAIRS]
    better = overlap_scores([(r, r) for r in references])
    interval = Corpus("bleu").difference(better, overlap_scores(PAIRS))
    assert interval.estimate == pytest.approx(100 - sacrebleu.corpus_bleu([a for a, _ in PAIRS], [references]).score)


def test_likelihood_and_overlap_gives_all_that_its_metrics_need():
    output = {"completion": "Hi.", "nll": 3.0, "tokens": 3, "words": 1, "bytes": 3}
    scores = [likelihood_and_overlap(Sample(id=str(i), target="Hi."), output) for i in range(3)]
    for metric in (*LIKELIHOOD_METRICS, *OVERLAP_METRICS):
        assert math.isfinite(metric.interval(scores).estimate), metric.name


# ---- service and tone ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("no no no no", True),
        ("No no NO no way", True),
        ("no no no", False),
        ("well, on and on and on and on and", True),
        ("one two three four " * 4, True),
        ("one two three four " * 3, False),
        ("one two three four five " * 4, False),  # longer than the longest unit
        ("", False),
        ("The Danube flows through ten countries, more than any other river.", False),
    ],
)
def test_a_loop_is_up_to_four_words_four_times_in_a_row(text, loops):
    assert runs_in_circles(text) is loops


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (1, 1, 1)),
        ({"finite_weights": False}, (0, 1, 1)),
        ({"finite_logits": False}, (0, 1, 1)),
        ({"sampled": False}, (0, 1, 1)),
        ({"completion": " \n"}, (1, 0, 1)),
        ({"completion": "so so so so"}, (1, 1, 0)),
    ],
)
def test_fitness_names_what_is_wrong(change, expected):
    sound = {"finite_weights": True, "finite_logits": True, "sampled": True, "completion": "A river.",
             "largest_activation": 9.5}  # fmt: skip
    scores = fitness(Sample(id="p"), sound | change)
    assert (scores["finite"], scores["nonempty"], scores["no_loop"]) == expected


def test_an_answer_without_words_has_no_tone_and_is_counted():
    silent = tone_of_answer(Sample(id="p"), {"completion": "..."})
    assert (silent["conversational"], silent["wordless"]) == (0.5, 1.0)
    told = tone_of_answer(Sample(id="p"), {"completion": "Haha, I love that!"})
    assert told["conversational"] > 0.5
    assert (told["words"], told["wordless"]) == (4.0, 0.0)


# ---- metrics ------------------------------------------------------------------------------------------


def test_a_metric_comes_back_from_what_is_stored():
    for metric in (Mean("acc"), Ratio("perplexity", "nll", "tokens", form="exp"), Corpus("chrf")):
        assert metric_from(plain(metric)) == metric


def test_without_a_declaration_every_score_has_its_mean():
    assert metrics_of((), [{"acc": 1.0}, {"acc": 0.0, "words": 2.0}]) == [Mean("acc"), Mean("words")]
    assert metrics_of([Mean("acc")], [{"words": 2.0}]) == [Mean("acc")]


def test_a_score_missing_on_one_sample_is_never_taken_as_zero():
    with pytest.raises(StatisticsError, match=r"score 'acc' is missing on 1 of 3 samples \(first: number 1\)"):
        Mean("acc").interval([{"acc": 1.0}, {"words": 2.0}, {"acc": 0.0}])


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
