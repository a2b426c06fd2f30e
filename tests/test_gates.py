"""Verdicts on evaluations written by hand: pass, fail, inconclusive, skipped, and Holm over a recipe's claims."""

import pytest

from harness import Claim, Dataset, Embedded, Finetune, Mix, Sample, Target
from harness.errors import StatisticsError, StoreError, SuiteError
from harness.gates.gate import Gate, gates_of, other_side
from tests.hand_made import add, judged, measure


def against_reference(bench, differences, **claim):
    """The verdict on alpha, whose answers differ from beta's by these numbers."""
    alpha = add(bench, "alpha", [Claim("tone", "conversational", **claim)])
    beta = add(bench, "beta")
    measure(bench, beta, conversational=[0.5 + i / 1000 for i in range(len(differences))])
    measure(bench, alpha, conversational=[0.5 + i / 1000 + d for i, d in enumerate(differences)])
    return judged(bench, alpha)


LOWER = [-0.2, -0.4] * 15  # mean -0.3; s = 0.1 * sqrt(30/29), so 2.0452 s / sqrt(30) = 0.038 either way


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ({"lower_than": "beta"}, "pass"),
        ({"higher_than": "beta"}, "fail"),
        ({"lower_than": "beta", "by": 0.25}, "pass"),
        ({"lower_than": "beta", "by": 0.29}, "inconclusive"),
        ({"lower_than": "beta", "by": 0.35}, "fail"),
    ],
)
def test_a_paired_difference_is_judged_by_its_interval(bench, claim, outcome):
    found = against_reference(bench, LOWER, **claim)
    assert found.verdict == outcome
    assert found.estimate == pytest.approx(-0.3)
    assert (found.low, found.high) == (pytest.approx(-0.338, abs=5e-4), pytest.approx(-0.262, abs=5e-4))
    assert found.n == 30


def test_the_other_direction_passes_the_other_way_round(bench):
    assert against_reference(bench, [-d for d in LOWER], higher_than="beta", by=0.25).passed


def test_too_little_evidence_says_how_many_samples_would_decide(bench):
    # differences 0.05 +- 0.45: s = 0.45 sqrt(30/29) = 0.45769, half width 2.0452 s / sqrt(30) = 0.1709
    # spread = 0.1709 / 1.96 * sqrt(30) = 0.4776; ((1.96 + 0.8416) * 0.4776 / 0.05)^2 = 716.2
    found = against_reference(bench, [0.5, -0.4] * 15, lower_than="beta")
    assert found.verdict == "inconclusive"
    assert not found.passed
    assert found.samples_needed == 717
    assert "about 717 samples would decide" in found.message


def test_no_difference_at_all_is_decided_by_no_number_of_samples(bench):
    found = against_reference(bench, [0.1, -0.1] * 10, lower_than="beta")
    assert (found.verdict, found.samples_needed) == ("inconclusive", None)
    assert "no feasible number of samples" in found.message


@pytest.mark.parametrize(  # Clopper-Pearson at 95 %: [0.893, 0.9995], [0.782, 0.967], [0.452, 0.736]
    ("right", "outcome"), [(49, "pass"), (45, "inconclusive"), (30, "fail")]
)
def test_a_target_is_reached_only_when_the_whole_interval_lies_above_it(bench, right, outcome):
    alpha = add(bench, "alpha", targets=[Target("tone", "acc", at_least=0.8)])
    measure(bench, alpha, acc=[1.0] * right + [0.0] * (50 - right))
    found = judged(bench, alpha)
    assert found.verdict == outcome
    assert found.candidate == right / 50
    assert found.baseline == 0.8


@pytest.mark.parametrize(
    ("claim", "outcome"), [({"below": 0.9}, "pass"), ({"below": 0.4}, "fail"), ({"above": 0.4}, "pass")]
)
def test_a_number_is_judged_from_both_sides(bench, claim, outcome):
    alpha = add(bench, "alpha", [Claim("tone", "acc", **claim)])
    measure(bench, alpha, acc=[1.0] * 30 + [0.0] * 20)  # [0.452, 0.736]
    assert judged(bench, alpha).verdict == outcome


def test_equality_holds_on_every_sample_or_fails_and_names_the_first(bench):
    alpha = add(bench, "alpha", [Claim("tone", "finite", equals=1.0)])
    measure(bench, alpha, finite=[1.0] * 40)
    assert judged(bench, alpha).passed
    beta = add(bench, "beta", [Claim("tone", "finite", equals=1.0)])
    measure(bench, beta, finite=[1.0] * 38 + [0.0, 1.0])
    found = judged(bench, beta)
    assert found.verdict == "fail"
    assert "held on 39 of 40 samples" in found.message
    assert "Loudest samples: s38 (0)." in found.message


def quiz(bench, targets, right):
    """alpha and untrained on 60 questions; the longest answer is right on 40 of them, the first on none."""
    samples = [
        Sample(id=f"q{i:02}", prompt="?", choices=("a", "the longest" if i < 40 else "b", "c", "d"), target=1)
        for i in range(60)
    ]
    alpha = add(bench, "alpha", targets=targets)
    measure(bench, alpha, "quiz", samples, acc=[1.0] * right + [0.0] * (60 - right))
    measure(bench, add(bench, "untrained"), "quiz", samples, acc=[1.0] * 12 + [0.0] * 48)
    return judged(bench, alpha)


def test_a_target_counts_only_against_the_highest_floor_it_names(bench):
    every = Target("quiz", "acc", above=["chance", "longest_answer", "first_answer", "untrained"])
    # longest answer: 40 right, and on the other 20 the four choices are equally long: (40 + 20/4) / 60 = 0.75
    found = quiz(bench, [every], right=45)
    assert found.verdict == "inconclusive"
    assert found.baseline == pytest.approx(0.75)
    assert "the floor longest_answer 0.750" in found.message


def test_above_chance_alone_is_the_easier_target(bench):
    found = quiz(bench, [Target("quiz", "acc", above=["chance"])], right=45)
    assert found.passed
    assert found.baseline == 0.25


def test_the_untrained_model_is_compared_in_pairs(bench):
    found = quiz(bench, [Target("quiz", "acc", above=["first_answer", "untrained"])], right=45)
    assert found.passed
    assert found.estimate == pytest.approx(33 / 60)
    assert "McNemar" in found.method


def test_a_verdict_names_the_other_side_as_a_subject_or_a_floor(bench):
    assert against_reference(bench, LOWER, lower_than="beta").reference == "beta-mini"
    every = Target("quiz", "acc", above=["chance", "longest_answer", "untrained"])
    assert quiz(bench, [every], right=45).reference == "longest_answer"


def test_a_misspelt_floor_is_told_with_those_there_are(bench):
    with pytest.raises(SuiteError, match=r"no floor 'longest' \(it has: chance, longest_answer, first_answer\)"):
        quiz(bench, [Target("quiz", "acc", above=["longest"])], right=45)


# ---- Holm ---------------------------------------------------------------------------------------------


def three_claims(bench, *, third):
    """alpha against beta on ten samples: x differs on all (p = 2/2^10), y on six (p = 2/2^6), tone z as `third` says."""
    claims = [Claim("tone", "x", lower_than="beta"), Claim("tone", "y", lower_than="beta"), third]
    alpha, beta = add(bench, "alpha", claims), add(bench, "beta")
    measure(bench, beta, x=[0.9] * 10, y=[0.9] * 10)
    measure(bench, alpha, x=[0.1, 0.2] * 5, y=[0.1] * 6 + [0.9] * 4)
    return [judged(bench, alpha, i) for i in range(3)]


def test_a_pass_survives_holm_over_all_claims_of_the_recipe(bench):
    x, y, _ = three_claims(bench, third=Claim("tone", "x", equals=1.0))  # equality is no test and not in the family
    assert (x.p_value, y.p_value) == (2 / 1024, 2 / 64)
    assert (x.p_adjusted, y.p_adjusted) == (2 * 2 / 1024, 2 / 64)
    assert (x.verdict, y.verdict) == ("pass", "pass")


def test_a_claim_not_judged_yet_counts_as_failed(bench):
    x, y, quiz = three_claims(bench, third=Claim("quiz", "acc", above=0.5))
    assert quiz.verdict == "skipped"
    assert (x.p_adjusted, y.p_adjusted) == (3 * 2 / 1024, 2 * 2 / 64)
    assert y.high < 0, "alone it would pass"
    assert (x.verdict, y.verdict) == ("pass", "inconclusive")
    assert "0.062 after Holm over 3 claims" in y.message


def test_a_claim_whose_suite_failed_does_not_take_the_others_with_it(bench):
    x, *_ = three_claims(bench, third=Claim("quiz", "acc", above=0.5))
    alpha = bench.recipes["alpha"]["mini"]
    bench.failed(bench.evaluation_key(bench.suite_named("quiz"), alpha), StoreError("the disk is full"))
    with pytest.raises(StoreError):
        judged(bench, alpha, 2)
    assert judged(bench, alpha, 0) == x


# ---- what is missing, and names -----------------------------------------------------------------------


def test_an_unmeasured_side_is_skipped_with_the_command_that_adds_it(bench):
    alpha = add(bench, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    beta = add(bench, "beta")
    found = judged(bench, alpha)
    assert found.verdict == "skipped"
    assert found.message == "alpha-mini is not measured by tone; add it: pytest suites/ -k alpha --scale mini"
    measure(bench, alpha, conversational=[0.1, 0.2])
    told = 'beta-mini is not measured by tone; add it: pytest suites/ -k "alpha or beta" --scale mini'
    assert judged(bench, alpha).message == told
    measure(bench, beta, conversational=[0.3, 0.5])
    assert judged(bench, alpha).verdict != "skipped"


def test_a_reference_without_this_variant_is_told(bench):
    alpha = add(bench, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    add(bench, "beta", variant="tiny")
    measure(bench, alpha, conversational=[0.1, 0.2])
    assert judged(bench, alpha).message == "beta has no variant 'mini' to compare alpha-mini with"


def test_sides_that_answered_other_samples_are_not_compared(bench):
    alpha = add(bench, "alpha", [Claim("tone", "conversational", lower_than="beta")])
    measure(bench, alpha, conversational=[0.1, 0.2, 0.3])
    measure(bench, add(bench, "beta"), conversational=[0.1, 0.2])
    with pytest.raises(SuiteError, match=r"1 are missing in the baseline, 0 in the candidate \(s02\)"):
        judged(bench, alpha)


def test_a_misspelt_metric_is_told_with_those_there_are(bench):
    alpha = add(bench, "alpha", [Claim("tone", "convresational", below=0.5)])
    measure(bench, alpha, conversational=[0.1, 0.2], words=[3.0, 4.0])
    with pytest.raises(SuiteError, match=r"no metric 'convresational' \(it has: conversational, words\)"):
        judged(bench, alpha)


def test_a_verdict_is_remembered_until_its_claim_changes(bench):
    first = against_reference(bench, LOWER, lower_than="beta")
    folder = bench.store.root / "verdicts"
    assert judged(bench, bench.recipes["alpha"]["mini"]) == first
    assert len(list(folder.iterdir())) == 1
    stricter = add(bench, "alpha", [Claim("tone", "conversational", lower_than="beta", by=0.35)])
    assert judged(bench, stricter).verdict == "fail"
    assert len(list(folder.iterdir())) == 2


def test_gate_ids_name_only_their_own_side_and_differ(bench):
    claims = [
        Claim("tone", "conversational", lower_than="with_kilt"),
        Claim("tone", "conversational", below=0.5),
        Claim("stability", "finite", equals=1.0),
    ]
    alpha = add(bench, "alpha", claims, [Target("quiz", "acc", above=["untrained"])])
    ids = [gate.id for gate in gates_of(alpha)]
    assert ids == [
        "alpha-mini-tone-conversational",
        "alpha-mini-tone-conversational-below",
        "alpha-mini-stability-finite",
        "alpha-mini-quiz-acc",
    ]
    assert not any("with_kilt" in name or "untrained" in name for name in ids)


def test_the_same_claim_twice_is_refused(bench):
    claims = [Claim("tone", "x", below=limit) for limit in (0.5, 0.4, 0.3)]
    with pytest.raises(SuiteError, match="gate alpha-mini-tone-x-below is declared twice"):
        gates_of(add(bench, "alpha", claims))


def test_a_further_seed_is_compared_with_the_references_same_seed(bench):
    facts = Mix(Dataset(name="facts", mini=Embedded("facts", text="statement")))
    stages = [Finetune(data=facts, learning_rate=1e-4, epochs=1, effective_batch_size=4)]
    alpha = add(bench, "alpha", [Claim("tone", "x", lower_than="beta")], stages=stages).with_seed(1)
    add(bench, "beta", stages=stages)
    add(bench, "base")
    assert other_side(bench, alpha, "beta").id == "beta-mini-seed1"
    assert other_side(bench, alpha, "base").id == "base-mini", "weights without training have no seed"
    assert Gate(alpha, alpha.recipe.claims[0]).id == "alpha-mini-seed1-tone-x"


@pytest.mark.parametrize(
    ("margin", "outcome"), [(0.4, "pass"), (0.3, "inconclusive"), (0.2, "fail")]
)  # the difference is -0.3, give or take 0.038
def test_no_lower_by_a_margin_is_non_inferiority(bench, margin, outcome):
    found = against_reference(bench, LOWER, no_lower_than="beta", margin=margin)
    assert found.verdict == outcome
    if outcome == "pass":
        assert f"It is not lower by {margin:g} or more: the claim holds." in found.message
    if outcome == "fail":
        assert f"It is lower by {margin:g} or more: the claim fails." in found.message


@pytest.mark.parametrize(("margin", "outcome"), [(0.4, "pass"), (0.2, "fail")])
def test_no_higher_by_a_margin_is_the_same_from_the_other_side(bench, margin, outcome):
    found = against_reference(bench, [-d for d in LOWER], no_higher_than="beta", margin=margin)
    assert found.verdict == outcome


def test_equality_looks_only_at_the_samples_that_it_concerns(bench):
    alpha = add(bench, "alpha", [Claim("tone", "hallucinated", equals=0.0)])
    measure(bench, alpha, hallucinated=[None] * 20 + [0.0] * 10)
    found = judged(bench, alpha)
    assert found.passed
    assert "held on 10 of 10 samples" in found.message


# ---- fails, seeds ------------------------------------------------------------------------------------


def test_a_fail_survives_holm_as_well(bench):
    claims = [Claim("tone", "x", higher_than="beta"), Claim("tone", "y", below=0.5), Claim("tone", "z", below=0.5)]
    alpha, beta = add(bench, "alpha", claims), add(bench, "beta")
    measure(bench, beta, x=[0.9] * 10, y=[0.9] * 10, z=[0.9] * 10)
    measure(bench, alpha, x=[0.1] * 6 + [0.9] * 4, y=[0.4, 0.6] * 5, z=[0.4, 0.6] * 5)
    found = judged(bench, alpha)
    assert found.high < 0, "the interval lies wholly on the other side"
    assert (found.p_value, found.p_adjusted) == (2 / 64, 3 * 2 / 64)
    assert found.verdict == "inconclusive"


FACTS = Mix(Dataset(name="facts", mini=Embedded("facts", text="statement")))
STAGES = [Finetune(data=FACTS, learning_rate=1e-4, epochs=1, effective_batch_size=4)]


def over_seeds(bench, differences, seeds=3):
    """alpha against beta, trained with several seeds; each seed's 40 differences lie about one of the numbers."""
    import dataclasses

    bench.options = dataclasses.replace(bench.options, seeds=seeds)
    alpha = add(bench, "alpha", [Claim("tone", "x", lower_than="beta")], stages=STAGES)
    beta = add(bench, "beta", stages=STAGES)
    for seed, difference in enumerate(differences):
        spread = [0.01 * ((7 * i + 3 * seed) % 11 - 5) for i in range(40)]
        measure(bench, beta.with_seed(seed), x=[0.5] * 40)
        measure(bench, alpha.with_seed(seed), x=[0.5 + difference + s for s in spread])
    return judged(bench, alpha)


def test_several_seeds_are_judged_as_one_with_the_noise_of_training(bench):
    found = over_seeds(bench, [-0.20, -0.22, -0.18])
    assert found.passed
    assert found.estimate == pytest.approx(-0.2, abs=0.005)
    assert "over 3 training seeds" in found.message
    assert "t over 3 training seeds x 40 samples" in found.method


def test_trainings_that_disagree_decide_nothing_however_sure_each_is_alone(bench):
    found = over_seeds(bench, [-0.3, 0.1, -0.1])
    assert found.verdict == "inconclusive"
    assert "more of them, or more samples, would tell" in found.message
    assert found.low < -0.4


def test_a_seed_that_is_missing_is_named(bench):
    found = over_seeds(bench, [-0.2, -0.2], seeds=3)
    assert found.verdict == "skipped"
    assert "alpha-mini-seed2 is not measured by tone" in found.message


def test_loudest_samples_come_with_both_scores(bench):
    found = against_reference(bench, LOWER, lower_than="beta")
    assert found.loudest[0] == {"sample_id": "s01", "candidate": pytest.approx(0.101), "baseline": pytest.approx(0.501)}
    assert "Loudest samples: s01 (0.101 against 0.501), s03" in found.message


def test_a_score_that_is_not_finite_names_its_sample(bench):
    alpha = add(bench, "alpha")
    with pytest.raises(SuiteError, match="suite tone: sample s01: score 'x' is nan"):
        measure(bench, alpha, x=[0.5, float("nan"), 0.5])
    with pytest.raises(SuiteError, match="sample s02: score 'x' is inf"):
        measure(bench, alpha, x=[0.5, 0.5, float("inf")])


def test_an_id_that_occurs_twice_is_named(bench):
    samples = [Sample(id=name, prompt="?") for name in ("a", "b", "a")]
    with pytest.raises(SuiteError, match="suite tone: id 'a' occurs twice"):
        measure(bench, add(bench, "alpha"), samples=samples, x=[0.1, 0.2, 0.3])


def test_a_single_score_that_is_not_right_or_wrong_names_its_gate(bench):
    alpha = add(bench, "alpha", [Claim("tone", "x", lower_than="beta")])
    beta = add(bench, "beta")
    for subject in (alpha, beta):
        with pytest.raises(StatisticsError, match=r"0\.5 alone has no spread"):
            measure(bench, subject, x=[0.5])


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_answers_are_inconclusive(bench, n):
    alpha = add(bench, "alpha", [Claim("tone", "x", higher_than="beta")])
    measure(bench, add(bench, "beta"), x=[0.0] * n)
    measure(bench, alpha, x=[1.0] * n)
    assert judged(bench, alpha).verdict == "inconclusive"


def test_ties_under_every_seed_prove_nothing_of_right_answers(bench):
    import dataclasses

    bench.options = dataclasses.replace(bench.options, seeds=2)
    alpha = add(bench, "alpha", [Claim("share", "acc", no_lower_than="beta", margin=0.01)], stages=STAGES)
    beta = add(bench, "beta", stages=STAGES)
    for seed in (0, 1):
        for subject in (alpha, beta):
            measure(bench, subject.with_seed(seed), "share", acc=[1.0, 0.0] * 5, loss=[1.0, 2.0] * 5)
    found = judged(bench, alpha)
    assert found.verdict == "inconclusive"
    assert found.low < -0.2


def test_scores_of_two_samples_that_are_equal_prove_nothing(bench):
    alpha = add(bench, "alpha", [Claim("share", "loss", no_higher_than="beta", margin=0.1)])
    measure(bench, add(bench, "beta"), "share", acc=[1.0, 0.0], loss=[0.3, 0.3])
    measure(bench, alpha, "share", acc=[1.0, 0.0], loss=[0.3, 0.3])
    assert judged(bench, alpha).verdict == "inconclusive"


def test_a_sample_without_a_cluster_stands_alone_beside_the_clusters(bench):
    from harness import Mean

    rows = [{"x": float(i // 10 % 2)} for i in range(200)]
    clusters = [f"c{i // 10}" for i in range(200)]
    own = Mean("x").interval(rows, clusters)
    more = Mean("x").interval([*rows, {"x": 0.0}], [*clusters, None])
    assert own.high - own.low > 0.3
    assert more.high - more.low == pytest.approx(own.high - own.low, rel=0.1)
    alone = Mean("x").interval(rows, ["c"] * 200)
    assert alone.method.endswith("all in one cluster, taken as independent")


def test_equality_of_a_corpus_metric_is_refused(bench):
    import dataclasses

    from harness import Ratio

    bench.suites["share"] = dataclasses.replace(
        bench.suites["share"], metrics=[Ratio("rate", "acc", "loss")], guards=[]
    )
    alpha = add(bench, "alpha", [Claim("share", "rate", equals=1.0)])
    measure(bench, alpha, "share", acc=[1.0, 2.0, 1.0], loss=[1.0, 2.0, 2.0])
    with pytest.raises(SuiteError, match="no single sample has that score"):
        judged(bench, alpha)


def test_a_sum_over_the_corpus_needs_every_sample(bench):
    from harness import Ratio

    with pytest.raises(StatisticsError, match="'a' is None on sample number 1"):
        Ratio("rate", "a", "b").interval([{"a": 1.0, "b": 1.0}, {"a": None, "b": 1.0}])


def test_seeds_must_concern_the_same_samples(bench):
    from harness import Mean

    rows = [{"x": 1.0}, {"x": None}, {"x": 0.0}]
    with pytest.raises(StatisticsError, match="does not concern the same samples under every seed"):
        Mean("x").over_seeds([rows, rows[::-1][:1] + rows[:2]], None)


def test_a_reference_that_declares_another_seed_is_found(bench):
    from harness import Recipe, Variant

    alpha = add(bench, "alpha", [Claim("tone", "x", lower_than="beta")], stages=STAGES)
    variants = [Variant("mini", base="org/beta", scale="mini", seed=5)]
    bench.recipes["beta"] = Recipe(name="beta", variants=variants, stages=STAGES)
    assert other_side(bench, alpha, "beta").seed == 5
    assert other_side(bench, alpha.with_seed(1), "beta").seed == 6
