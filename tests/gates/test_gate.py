"""Gates as declared: their ids, what they are about, and which of them are adjusted for together."""

import dataclasses

import pytest

from harness import Claim, Recipe, Retrieve, Target
from harness.errors import RecipeError, SuiteError
from harness.gates.gate import Gate, gates_of
from harness.store.baselines import Baseline
from tests.gates.alpha_and_beta import STAGES
from tests.hand_made import add

MAIN = Baseline("main", "2026-01-01T00:00:00", None, {})


def test_gate_ids_name_only_their_own_side_and_differ(made):
    claims = [
        Claim("tone", "conversational", lower_than="with_kilt"),
        Claim("tone", "conversational", below=0.5),
        Claim("stability", "finite", equals=1.0),
    ]
    alpha = add(made, "alpha", claims, [Target("quiz", "acc", above=["untrained"])])
    ids = [gate.id for gate in gates_of(alpha)]
    assert ids == [
        "alpha-mini-tone-conversational",
        "alpha-mini-tone-conversational-below",
        "alpha-mini-stability-finite",
        "alpha-mini-quiz-acc",
    ]
    assert not any("with_kilt" in name or "untrained" in name for name in ids)


def test_the_same_claim_twice_is_refused(made):
    claims = [Claim("tone", "x", below=limit) for limit in (0.5, 0.4, 0.3)]
    with pytest.raises(SuiteError, match="gate alpha-mini-tone-x-below is declared twice"):
        gates_of(add(made, "alpha", claims))


def test_the_gate_of_a_further_seed_names_the_seed(made):
    alpha = add(made, "alpha", [Claim("tone", "x", lower_than="beta")], stages=STAGES).with_seed(1)
    assert Gate(alpha, alpha.recipe.claims[0]).id == "alpha-mini-seed1-tone-x"


@pytest.mark.parametrize(
    ("claim", "kind", "references", "suites", "is_test"),
    [
        (Claim("tone", "x", lower_than="beta"), "claim", ("beta",), ("tone",), True),
        (Claim("tone", "x", below=0.5), "claim", (), ("tone",), True),
        (Claim("tone", "x", equals=1.0), "claim", (), ("tone",), False),
        (Target("quiz", "acc", above=["chance", "untrained"]), "target", ("untrained",), ("quiz",), True),
        (Target("quiz", "acc", at_least=0.5, together_with=["tone"]), "target", (), ("quiz", "tone"), True),
    ],
)
def test_a_gate_says_what_it_is_about(made, claim, kind, references, suites, is_test):
    gate = Gate(add(made, "alpha"), claim)
    assert (gate.kind, gate.references, gate.suites, gate.is_test) == (kind, references, suites, is_test)


# ---- all that a project declares ----------------------------------------------------------------------


def test_guarded_metrics_are_gates_where_there_is_a_baseline(made):
    alpha = add(made, "alpha", [Claim("tone", "x", below=0.5)])
    assert [gate.id for gate in made.gates.of(alpha)] == ["alpha-mini-tone-x"]
    made.baseline = MAIN
    assert [gate.id for gate in made.gates.of(alpha)] == [
        "alpha-mini-tone-x",
        "alpha-mini-share-acc-regression",
        "alpha-mini-share-loss-regression",
    ]
    assert [gate.claim.rises for gate in made.gates.regressions_of(alpha)] == [False, True]


def test_claims_and_guarded_metrics_are_adjusted_for_apart_and_equality_with_neither(made):
    claims = [Claim("tone", "x", below=0.5), Claim("tone", "x", equals=1.0), Claim("tone", "y", below=0.5)]
    alpha = add(made, "alpha", claims)
    made.baseline = MAIN
    *own, guarded, other = made.gates.of(alpha)
    assert made.gates.family(own[0]) == made.gates.family(own[1]) == [own[0], own[2]]
    assert made.gates.family(guarded) == [guarded, other]


def test_several_seeds_of_a_recipe_are_one_gate(made):
    made.with_seeds(3)
    add(made, "alpha", [Claim("tone", "x", below=0.5)], stages=STAGES)
    add(made, "base", [Claim("tone", "x", below=0.5)])
    gates = made.gates.of_all(made.project.subjects())
    assert [gate.id for gate in gates] == ["alpha-mini-tone-x", "base-mini-tone-x"]
    assert [s.id for s in made.gates.seeds_of(gates[0])] == ["alpha-mini", "alpha-mini-seed1", "alpha-mini-seed2"]
    assert [s.id for s in made.gates.seeds_of(gates[1])] == ["base-mini"], "weights without training have no seed"


def test_a_regression_is_judged_of_the_first_seed_alone(made):
    made.with_seeds(3)
    alpha = add(made, "alpha", stages=STAGES)
    made.baseline = MAIN
    [gate, _] = made.gates.of_all(made.project.subjects())
    assert made.gates.seeds_of(gate) == [alpha]


def test_a_gate_stands_on_its_own_sides_and_on_those_it_compares_with(made):
    made.with_seeds(2)
    alpha = add(made, "alpha", [Claim("tone", "x", lower_than="beta")], stages=STAGES)
    add(made, "beta", stages=STAGES)
    [gate] = made.gates.of(alpha)
    own = [(suite.name, subject.id) for suite, subject in made.gates.own_sides(gate)]
    others = [(suite.name, subject.id) for suite, subject in made.gates.other_sides(gate)]
    assert own == [("tone", "alpha-mini"), ("tone", "alpha-mini-seed1")]
    assert others == [("tone", "beta-mini"), ("tone", "beta-mini-seed1")]


def test_a_reference_without_the_variant_is_no_side(made):
    alpha = add(made, "alpha", [Claim("tone", "x", lower_than="beta")])
    add(made, "beta", variant="tiny")
    assert made.gates.other_sides(made.gates.of(alpha)[0]) == []


def test_the_gates_on_a_suite_are_those_that_judge_its_samples(made):
    targets = [Target("quiz", "acc", at_least=0.5, together_with=["tone"])]
    alpha = add(made, "alpha", [Claim("tone", "x", below=0.5), Claim("share", "acc", above=0.5)], targets)
    found = {name: [gate.claim.suite for gate in made.gates.on(suite, alpha)] for name, suite in made.suites.items()}
    assert found == {"quiz": ["quiz"], "tone": ["tone", "quiz"], "share": ["share"]}


def test_a_recipe_is_referred_to_on_the_suites_that_others_compare_it_by(made):
    add(made, "alpha", [Claim("tone", "x", lower_than="beta")], [Target("quiz", "acc", above=["untrained"])])
    beta, untrained = (add(made, name).recipe for name in ("beta", "untrained"))
    about = [(recipe.name, name) for recipe in (beta, untrained) for name, suite in made.suites.items() if
             made.gates.refer_to(recipe, suite)]  # fmt: skip
    assert about == [("beta", "tone"), ("untrained", "quiz")]


def test_a_suite_guards_nothing_of_a_subject_that_it_does_not_concern(made):
    from harness import Guard, Mean, Overlap, Suite

    scorer = made.project.suite("share").scorer
    made.suites["touching"] = Suite(
        name="touching",
        asks=[Overlap()],
        scorer=scorer,
        metrics=[Mean("touched")],
        guards=[Guard("touched", may_rise=1)],
    )
    made.baseline = MAIN
    base: Recipe = add(made, "base").recipe
    trained = dataclasses.replace(base, name="trained", stages=STAGES)["mini"]
    named = {subject.id: {gate.claim.suite for gate in made.gates.of(subject)} for subject in (base["mini"], trained)}
    assert named == {"base-mini": {"share"}, "trained-mini": {"share", "touching"}}


# ---- before anything is trained -------------------------------------------------------------------------


def test_a_claim_about_a_suite_whose_name_looks_misspelt_is_refused(made):
    alpha = add(made, "alpha", [Claim("tune", "acc", below=0.5)])
    with pytest.raises(RecipeError, match="alpha: a claim is about the suite 'tune', which does not exist") as error:
        made.gates.check([alpha])
    assert (
        error.value.remedy
        == "Did you mean 'tone'? A task of lm-eval is named by --tasks tune, or once for all in pyproject.toml: tasks = \"tune\""
    )


def test_a_claim_about_a_suite_that_the_project_does_not_have_is_noted(made):
    alpha = add(made, "alpha", [Claim("arc_easy", "acc", below=0.5)])
    assert made.gates.check([alpha]) == [
        "note: alpha-mini-arc_easy-acc cannot be judged: the project has no suite 'arc_easy' (it has quiz, tone, share). "
        'A task of lm-eval is named by --tasks arc_easy, or once for all in pyproject.toml: tasks = "arc_easy"'
    ]


def test_a_metric_that_looks_misspelt_is_noted(made):
    claims = [Claim("share", "ac", below=0.5), Claim("share", "acc", below=0.5), Claim("tone", "ac", below=0.5)]
    alpha = add(made, "alpha", [*claims, Claim("share", "coverage", below=0.5)])  # a mean that is not declared
    assert made.gates.check([alpha]) == ["note: alpha-mini-share-ac: suite share declares no 'ac'; 'acc'?"]


def test_a_claim_against_what_its_suite_does_not_measure_is_refused(made):
    add(made, "found", [], stages=[Retrieve(data=STAGES[0].data)], suites=["quiz"])
    alpha = add(made, "alpha", [Claim("quiz", "acc", no_lower_than="found", margin=0.1)])
    assert made.gates.check([alpha]) == []
    beta = add(made, "beta", [Claim("tone", "acc", no_lower_than="found", margin=0.1)])
    with pytest.raises(
        RecipeError, match="beta: a claim is about tone acc of found-mini, and tone does not measure found"
    ):
        made.gates.check([beta])
