"""`base` and `untrained`: which model a subject stands beside, and that neither needs a declaration."""

import dataclasses

import pytest

from harness import Architecture, Claim, Fresh, Pretrain, Recipe, Target, Variant
from harness.project import open_project
from harness.project.references import undeclared
from harness.session.selection import paired_by_variant
from tests.gates.alpha_and_beta import STAGES
from tests.hand_made import add, judged, measure
from tests.projects import write_project

SHAPE = Architecture(
    hidden_size=16, layers=1, heads=2, key_value_heads=2, intermediate_size=32, vocabulary_size=300, context_length=64
)

PRETRAIN = Pretrain(data=STAGES[0].data, learning_rate=1e-3, epochs=1, effective_batch_size=4)


def recipe(made, name, *variants, stages=STAGES):
    made.recipes[name] = Recipe(name=name, variants=variants, stages=stages)
    return made.recipes[name]


def mini(base, name="mini", scale="mini", **more):
    return Variant(name, base=base, scale=scale, **more)


def beside(made, subject, name):
    other = made.project.other_side(subject, name)
    return other and (other.id, other.variant.base)


def test_both_exist_without_a_declaration(made):
    alpha = recipe(made, "alpha", mini("org/one"), mini("org/large", "3b", "full"))
    assert beside(made, alpha["mini"], "base") == ("base-mini_one", "org/one")
    assert beside(made, alpha["3b"], "base") == ("base-full_large", "org/large")
    assert beside(made, alpha["mini"].with_seed(2), "untrained") == ("untrained-mini_one", Fresh("org/one"))
    assert [subject.id for subject in made.project.subjects()] == ["alpha-mini"], "but are measured where needed only"


def test_a_base_is_the_model_that_was_trained_whatever_the_variants_are_called(made):
    """Compared by name alone, `beta` would be judged against a model that it was never trained from."""
    recipe(made, "base", mini("org/one"), stages=())
    beta = recipe(made, "beta", mini("org/two"), mini("org/one", "again"), mini("org/one", "elsewhere", "small"))
    assert beside(made, beta["mini"], "base") == ("base-mini_two", "org/two")
    assert beside(made, beta["again"], "base") == ("base-mini", "org/one")
    assert beside(made, beta["elsewhere"], "base") == ("base-small_one", "org/one"), "measured by that scale's data"


def test_of_several_that_fit_the_one_of_the_same_name_is_taken(made):
    recipe(made, "base", mini("org/one", "first"), mini("org/one"), stages=())
    alpha = recipe(made, "alpha", mini("org/one"), mini("org/one", "more"))
    assert beside(made, alpha["mini"], "base") == ("base-mini", "org/one")
    assert beside(made, alpha["more"], "base") == ("base-first", "org/one")


def test_two_recipes_share_one_base_and_two_models_have_names_of_their_own(made):
    for name, base in (("alpha", "org/one"), ("beta", "org/one"), ("gamma", "org/two")):
        recipe(made, name, mini(base))
    assert [one.id for one in undeclared("base", made.recipes)] == ["base-mini_one", "base-mini_two"]
    found = [beside(made, made.recipes[name]["mini"], "base") for name in ("alpha", "beta", "gamma")]
    assert found == [("base-mini_one", "org/one"), ("base-mini_one", "org/one"), ("base-mini_two", "org/two")]


def test_an_untrained_model_is_of_the_same_architecture_and_scale_whatever_its_name(made):
    alpha = add(made, "alpha", stages=STAGES)
    over = Recipe(name="over", variants=[Variant("mini", base=alpha, scale="mini", stages=STAGES)])
    other = Recipe(name="other", variants=[Variant("mini", base="org/another", scale="mini")])
    fresh = [
        Variant("mini", base=Fresh("org/another"), scale="mini"),
        Variant("large", base=Fresh(alpha.variant.base), scale="full"),
        Variant("mini_alpha", base=Fresh(alpha), scale="mini"),
    ]
    made.recipes.update(over=over, other=other, untrained=Recipe(name="untrained", variants=fresh))
    for subject, name in ((alpha, "mini_alpha"), (over["mini"], "mini_alpha"), (other["mini"], "mini")):
        assert made.project.other_side(subject, "untrained").id == f"untrained-{name}"


def test_a_subject_that_pretrains_has_no_base_and_the_untrained_of_its_shape(made):
    ground = recipe(made, "ground", mini(SHAPE), stages=[PRETRAIN])
    over = recipe(made, "over", mini(ground["mini"]))
    assert beside(made, ground["mini"], "base") is None
    assert beside(made, over["mini"], "base") == ("ground-mini", ground["mini"].variant.base)
    for subject in (ground["mini"], over["mini"]):
        assert beside(made, subject, "untrained") == ("untrained-mini_ground_mini", Fresh(ground["mini"]))


def test_two_models_of_one_name_and_a_declared_variant_keep_ids_of_their_own(made):
    """One id for two models would hand one's checkpoint to the other."""
    recipe(made, "untrained", mini(Fresh("org/another"), "mini_one"), stages=())
    alpha = recipe(made, "alpha", mini("org/one"), mini("other/one", "more"))
    ids = [beside(made, alpha[name], "untrained")[0] for name in ("mini", "more")]
    assert len({*ids, "untrained-mini_one"}) == 3
    assert all(one.startswith("untrained-mini_one_") for one in ids)


def test_shapes_that_are_pretrained_on_other_text_have_fresh_weights_of_their_own(made):
    """The tokenizer is of that text."""
    one = recipe(made, "one", mini(SHAPE), stages=[PRETRAIN])
    two = recipe(made, "two", mini(SHAPE), stages=[dataclasses.replace(PRETRAIN, epochs=2)])
    assert beside(made, one["mini"], "untrained")[0] == "untrained-mini_one_mini"
    assert beside(made, two["mini"], "untrained")[0] == "untrained-mini_two_mini"


def test_a_model_as_it_is_is_compared_by_name(made):
    recipe(made, "base", mini("org/one"), stages=())
    merged = recipe(made, "merged", mini("org/merged"), stages=())
    assert beside(made, merged["mini"], "base") == ("base-mini", "org/one")


def test_two_recipes_are_paired_as_a_claim_pairs_them(made):
    recipe(made, "base", mini("org/one"), stages=())
    beta = recipe(made, "beta", mini("org/two"))
    recipe(made, "gamma", mini("org/one"))
    ids = lambda pairs: [tuple(subject.id for subject in pair) for pair in pairs]
    assert ids(made.project.pairs("beta", "base")) == [("beta-mini", "base-mini_two")]
    assert ids(made.project.pairs("untrained", "beta")) == [("untrained-mini_two", "beta-mini")]
    assert ids(made.project.pairs("beta", "gamma")) == [("beta-mini", "gamma-mini")]
    assert paired_by_variant(made.project, ["base", "beta"])["mini"][1] == beta["mini"]
    assert ids(paired_by_variant(made.project, ["base", "beta"]).values()) == [("base-mini_two", "beta-mini")]


def test_a_model_of_the_command_line_stands_beside_its_own_architecture(made):
    mine = recipe(made, "mine", mini("org/mine"), stages=())
    recipe(made, "untrained", mini(Fresh("org/one")), stages=())
    assert beside(made, mine["mini"], "untrained") == ("untrained-mini_mine", Fresh("org/mine"))


def test_a_claim_against_the_base_is_judged_without_a_recipe_of_that_name(made):
    alpha = add(
        made,
        "alpha",
        [Claim("tone", "x", lower_than="base")],
        [Target("quiz", "acc", above=["untrained"])],
        stages=STAGES,
    )
    for name, score in (("base", 0.9), ("untrained", 0.2)):
        measure(made, made.project.other_side(alpha, name), x=[score, score - 0.1] * 10)
    measure(made, alpha, x=[0.5, 0.4] * 10)
    found = judged(made, alpha)
    assert (found.verdict, found.reference) == ("pass", "base-mini_alpha")


def test_a_claim_against_a_base_that_there_is_not_says_why(made):
    ground = Recipe(
        name="ground",
        variants=[mini(SHAPE)],
        stages=[PRETRAIN],
        claims=[Claim("tone", "x", lower_than="base")],
    )
    made.recipes["ground"] = ground
    measure(made, ground["mini"], x=[0.5, 0.4])
    told = "ground-mini has no base to be compared with: it is not trained from another model"
    assert judged(made, ground["mini"]).message == told


@pytest.mark.usefixtures("projects_apart")
def test_a_project_that_declares_neither_may_claim_against_both(tmp_path):
    root = write_project(tmp_path)
    (root / "recipes" / "more.py").write_text(
        "from harness import Claim, Recipe, Target, Variant\n"
        "MORE = Recipe(name='more', variants=[Variant('mini', base='org/one', scale='mini')],\n"
        "              claims=[Claim('look', 'x', lower_than='base')], targets=[Target('look', 'x', above=['untrained'])])\n"
    )
    assert "more" in open_project(root, "mini").recipes
