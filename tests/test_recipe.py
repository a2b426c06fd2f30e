"""Recipes as values: defaults, names and the mistakes that are refused where they are written."""

import pytest

from harness import (
    Architecture,
    Claim,
    Dataset,
    Embedded,
    Endpoint,
    Finetune,
    Fresh,
    Lora,
    Mix,
    OpenBook,
    Pretrain,
    Quantization,
    Recipe,
    Retrieve,
    Target,
    Variant,
)
from harness.errors import DataError, RecipeError

FACTS = Dataset(name="facts", mini=Embedded("facts"))
OTHER = Dataset(name="other", mini=Embedded("passages"))
MIX = Mix(FACTS.rows(100, mini=10))
SMALL = Architecture(
    hidden_size=64, layers=2, heads=2, key_value_heads=2, intermediate_size=128, vocabulary_size=512, context_length=64
)


def finetune(**changes):
    return Finetune(**{"data": MIX, "learning_rate": 2e-4, "epochs": 3, "effective_batch_size": 16} | changes)


def pretrain(**changes):
    return Pretrain(**{"data": MIX, "learning_rate": 6e-4, "epochs": 1, "effective_batch_size": 8} | changes)


def recipe(name="alpha", base="org/model", stages=(), micro_batch_size=None, **more):
    variant = Variant("mini", base=base, scale="mini", micro_batch_size=micro_batch_size)
    return Recipe(name=name, stages=stages, variants=[variant], **more)


def test_a_subject_is_named_by_recipe_and_variant_and_by_its_seed_beyond_the_first():
    subject = recipe()["mini"]
    assert subject.id == "alpha-mini"
    assert subject.with_seed(2).id == "alpha-mini-seed2"
    assert subject.with_seed(0) == subject


def test_an_unknown_variant_is_answered_with_those_there_are():
    with pytest.raises(RecipeError, match=r"alpha has no variant '3b' \(variants: mini\)"):
        recipe()["3b"]


def test_two_variants_of_one_name_are_refused():
    twice = [Variant("mini", base="org/a", scale="mini"), Variant("mini", base="org/b", scale="mini")]
    with pytest.raises(RecipeError, match="two variants are called 'mini'"):
        Recipe(name="alpha", variants=twice)


def test_a_variant_is_trained_by_one_gpu_at_least():
    with pytest.raises(RecipeError, match="Variant 'mini': gpus=0, and at least one is needed"):
        Variant("mini", base="org/a", scale="mini", gpus=0)


def test_a_variants_own_stages_take_the_place_of_the_recipes():
    slow, fast = finetune(learning_rate=1e-5), finetune(learning_rate=1e-3)
    variants = [Variant("a", base="org/m", scale="mini"), Variant("b", base="org/m", scale="mini", stages=[fast])]
    made = Recipe(name="alpha", stages=[slow], variants=variants)
    assert made["a"].stages == (slow,)
    assert made["b"].stages == (fast,)


def test_alpha_is_twice_the_rank_unless_it_is_given():
    assert Lora(rank=16).alpha == 32
    assert Lora(rank=16, alpha=8).alpha == 8


def test_one_forward_pass_takes_the_whole_batch_unless_told_otherwise():
    stage = finetune(effective_batch_size=16)
    assert recipe(stages=[stage])["mini"].micro_batch_size(stage) == 16
    assert recipe(stages=[stage], micro_batch_size=4)["mini"].micro_batch_size(stage) == 4


def test_an_effective_batch_that_is_no_multiple_is_refused_with_the_sizes_that_fit():
    with pytest.raises(RecipeError) as refused:
        recipe(stages=[finetune(effective_batch_size=16)], micro_batch_size=12)
    assert refused.value.problem == "alpha-mini: effective_batch_size 16 is not a multiple of micro_batch_size 12."
    assert refused.value.remedy == "Use 1, 2, 4, 8 or 16."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learning_rate": 0.0}, "learning_rate 0.0 is not positive"),
        ({"learning_rate": float("nan")}, "learning_rate nan is not positive"),
        ({"epochs": -1}, "epochs -1 is not positive"),
        ({"effective_batch_size": 0}, "effective_batch_size 0 is not positive"),
        ({"min_learning_rate": 1e-3}, "min_learning_rate 0.001 is not between 0 and learning_rate 0.0002"),
        ({"min_learning_rate": 1e-5, "schedule": "linear"}, "schedule 'linear' has no min_learning_rate"),
        ({"warmup_steps": -1}, "warmup_steps -1 is negative"),
        ({"quantization": Quantization()}, "quantization without adapter"),
        ({"max_length": 4}, "max_length 4 leaves no room"),
    ],
)
def test_settings_that_cannot_train_are_refused(changes, told):
    with pytest.raises(RecipeError, match=told):
        finetune(**changes)


@pytest.mark.parametrize(("fields", "told"), [({"rank": 0}, "rank 0"), ({"rank": 8, "dropout": 1.0}, "dropout 1.0")])
def test_an_adapter_that_cannot_learn_is_refused(fields, told):
    with pytest.raises(RecipeError, match=told):
        Lora(**fields)


@pytest.mark.parametrize(
    ("model", "stages", "told"),
    [
        (SMALL, [finetune(), pretrain()], "Pretrain is stage 2; only the first stage can pretrain"),
        (SMALL, [finetune()], "no stage pretrains it"),
        (Fresh("org/model"), [pretrain()], "Pretrain cannot start from Fresh"),
        (SMALL, [pretrain(), finetune(adapter=Lora(rank=4)), finetune()], "stage 2 trains an adapter; only the last"),
    ],
)
def test_stages_that_cannot_follow_each_other_are_refused(model, stages, told):
    with pytest.raises(RecipeError, match=told):
        recipe(base=model, stages=stages)


def test_pretraining_then_an_adapter_is_a_recipe():
    subject = recipe(base=SMALL, stages=[pretrain(), finetune(adapter=Lora(rank=4))])["mini"]
    assert [type(stage).__name__ for stage in subject.stages] == ["Pretrain", "Finetune"]
    assert Fresh(subject).like is subject


@pytest.mark.parametrize("name", ["wiki-only", "3b", "", "wiki only"])
def test_a_recipe_whose_name_cannot_be_a_fixture_is_refused(name):
    with pytest.raises(RecipeError, match="it must be a Python name"):
        recipe(name=name)


def test_a_scale_that_does_not_exist_is_refused():
    with pytest.raises(RecipeError, match="scale 'huge' is none of tiny, mini, small, full"):
        Variant("mini", base="org/model", scale="huge")


def test_a_misspelt_field_does_not_pass():
    with pytest.raises(TypeError, match="learning_rat"):
        finetune(learning_rat=1e-4)


def test_shares_of_a_mix_make_a_whole():
    assert len(Mix(FACTS.share(0.5), OTHER.share(0.5)).parts) == 2
    with pytest.raises(DataError, match=r"0\.5, 0\.4 sum to 0\.9, not 1"):
        Mix(FACTS.share(0.5), OTHER.share(0.4))
    with pytest.raises(DataError, match="some parts have a share and some have rows"):
        Mix(FACTS.share(0.5), OTHER.rows(10))


def test_a_servers_model_is_measured_as_it_is_and_nothing_is_trained_from_it():
    served = Endpoint("gpt", url="http://localhost:8000/v1")
    vendor = Recipe(name="vendor", variants=[Variant("mini", base=served, scale="mini")])
    stage = Finetune(data=Mix(Dataset(name="t", mini=Embedded("instructions"))), learning_rate=1e-3, epochs=1,
                     effective_batch_size=1)  # fmt: skip
    for base in (served, vendor["mini"]):
        with pytest.raises(
            RecipeError, match="gpt at http://localhost:8000/v1 is a server's model, and cannot be trained"
        ):
            Recipe(name="child", stages=[stage], variants=[Variant("mini", base=base, scale="mini")])


@pytest.mark.parametrize(
    ("model", "url", "message"),
    [
        ("gpt", "localhost:8000", "'localhost:8000' is no address"),
        ("gpt", "http://me:secret@host/v1", "Endpoint gpt: its url holds a name or password, and is no address"),
        ("", "http://host/v1", "no model is named"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_told(model, url, message):
    with pytest.raises(RecipeError, match=message) as error:
        Endpoint(model, url=url)
    assert "secret" not in error.value.message


# ---- looking things up ----------------------------------------------------------------------------------


def test_what_looks_things_up_has_the_stages_that_train_apart_from_it():
    found = recipe(stages=[Retrieve(data=MIX, k=2)])["mini"]
    assert found.stages == ()
    assert found.lookup == Retrieve(data=MIX, k=2)
    assert recipe(stages=[finetune()])["mini"].lookup is None


def test_a_server_s_model_can_be_asked_with_passages():
    found = recipe(base=Endpoint("gpt", url="http://localhost:8000/v1"), stages=[Retrieve(data=MIX)])["mini"]
    assert found.lookup == Retrieve(data=MIX)


@pytest.mark.parametrize(
    ("base", "stages", "told"),
    [
        ("org/model", [Retrieve(data=MIX), finetune()], "Retrieve is one of 2 stages, and has to be the only one"),
        ("org/model", [finetune(), OpenBook(data=MIX)], "OpenBook is one of 2 stages"),
        (
            Endpoint("gpt", url="http://localhost:8000/v1"),
            [Retrieve(data=MIX, fewer=True)],
            "fewer=True needs the model's",
        ),
        (SMALL, [OpenBook(data=MIX)], "an Architecture with fresh weights, and no stage pretrains it"),
    ],
)
def test_a_lookup_stands_alone_over_weights_that_there_are(base, stages, told):
    with pytest.raises(RecipeError, match=told):
        recipe(base=base, stages=stages)


def test_nothing_is_trained_from_what_looks_things_up():
    found = recipe(stages=[Retrieve(data=MIX)])["mini"]
    with pytest.raises(RecipeError, match="beta-mini: its base alpha-mini looks things up"):
        recipe("beta", base=found, stages=[finetune()])


def test_a_claim_about_a_suite_that_does_not_measure_the_recipe_is_refused():
    assert recipe(suites=["tone"], claims=[Claim("tone", "words", below=9.0)]).suites == ("tone",)
    with pytest.raises(RecipeError, match="alpha: a claim is about the suite 'quiz', and it is measured by tone"):
        recipe(suites=["tone"], claims=[Claim("quiz", "acc", above=0.5)])
    with pytest.raises(RecipeError, match="about the suite 'quiz'"):
        recipe(suites=["tone"], targets=[Target("tone", "acc", at_least=0.5, together_with=["quiz"])])
