"""Sweeps: which variants they make, and which ones cannot be meant."""

import pytest

from harness import Claim, Dataset, Embedded, Finetune, Lora, Mix, Pretrain, Recipe, Retrieve, Sweep, Variant
from harness.errors import RecipeError

ROWS = Mix(Dataset(name="facts", mini=Embedded("events_2025", explode="train", group="item")))
FULL = Finetune(data=ROWS, learning_rate=1e-4, epochs=1, effective_batch_size=8)
SIZES = [Variant("mini", base="org/small", scale="mini"), Variant("3b", base="org/large", scale="full")]
CLAIMS = [Claim("recall", "unseen", higher_than="base")]


def recipe(stages=(FULL,), **more):
    return Recipe(**{"name": "facts", "stages": stages, "variants": SIZES, "claims": CLAIMS, **more})


LORA = recipe([Finetune(**{**vars(FULL), "adapter": Lora(rank=16, alpha=8)})])


def settings(sweep):
    return [(subject.id, subject.stages[0]) for subject in sweep.recipe]


def test_every_combination_at_every_size_is_a_variant_of_its_own():
    sweep = Sweep(recipe(), learning_rate=[1e-4, 1e-3], epochs=[1, 2])
    assert [subject.id for subject in sweep.recipe][:4] == [
        "facts_sweep-mini-learning_rate0.0001-epochs1", "facts_sweep-mini-learning_rate0.0001-epochs2",
        "facts_sweep-mini-learning_rate0.001-epochs1", "facts_sweep-mini-learning_rate0.001-epochs2",
    ]  # fmt: skip
    assert len(sweep.points) == 8
    assert {subject.variant.base for subject in sweep.recipe} == {"org/small", "org/large"}
    stage = sweep.recipe["mini-learning_rate0.001-epochs2"].stages[0]
    assert (stage.learning_rate, stage.epochs, stage.data) == (1e-3, 2, ROWS)
    assert sweep.recipe.claims == ()


def test_it_is_chosen_by_the_held_out_loss_and_judged_by_the_first_claim():
    sweep = Sweep(recipe(), epochs=[1, 2], variants=["mini"])
    assert (sweep.chosen_by, sweep.judged_by) == (("training", "held_out_loss_change"), ("recall", "unseen"))
    assert sweep.recipe.suites == ("training", "recall")
    assert len(sweep.points) == 2


def test_an_adapter_keeps_the_ratio_of_alpha_to_rank():
    stages = [stage for _, stage in settings(Sweep(LORA, rank=[4, 32], variants=["mini"]))]
    assert [(stage.adapter.rank, stage.adapter.alpha) for stage in stages] == [(4, 2), (32, 16)]
    [stage, _] = [stage for _, stage in settings(Sweep(LORA, rank=[4], alpha=[3, 5], variants=["mini"]))]
    assert (stage.adapter.rank, stage.adapter.alpha) == (4, 3)


def test_all_weights_against_an_adapter():
    found = settings(Sweep(recipe(), adapter=[None, Lora(rank=8)], variants=["mini"]))
    assert [name for name, _ in found] == ["facts_sweep-mini-adapternone", "facts_sweep-mini-adapterrank8"]
    assert [stage.adapter for _, stage in found] == [None, Lora(rank=8)]


def test_values_that_differ_have_names_that_differ():
    adapters = [Lora(rank=8), Lora(rank=8, dropout=0.1), Lora(rank=8, alpha=8)]
    names = [name for name, _ in settings(Sweep(recipe(), adapter=adapters, variants=["mini"]))]
    assert [name.rpartition("adapter")[2] for name in names] == ["rank8", "rank8_dropout0.1", "rank8_alpha8"]
    bases = Sweep(recipe(), base=["unsloth/1b", "meta/1b"], variants=["mini"], chosen_by=("recall", "exact"))
    assert [one.variant.base for one in bases.recipe] == ["unsloth/1b", "meta/1b"]


def test_rows_and_phrasings_take_parts_of_what_is_trained_on():
    found = settings(Sweep(recipe(), rows=[10, 20], phrasings=[1, 2], variants=["mini"]))
    assert [(stage.data.taken.rows, stage.data.taken.per_group) for _, stage in found] == [
        (10, 1), (10, 2), (20, 1), (20, 2),
    ]  # fmt: skip


def test_bases_are_swept_too():
    smaller = recipe(name="ground")["mini"]
    found = list(
        Sweep(
            recipe(), "sweep_of_sizes", base=["org/1b", smaller], variants=["mini"], chosen_by=("recall", "exact")
        ).recipe
    )
    assert [one.id for one in found] == [
        "facts_sweep_of_sizes-mini-baseorg_1b",
        "facts_sweep_of_sizes-mini-baseground-mini",
    ]
    assert found[1].variant.base == smaller


def test_of_several_stages_one_is_named():
    staged = recipe(
        [Pretrain(data=ROWS, learning_rate=1e-3, epochs=1, effective_batch_size=8), FULL], variants=SIZES[:1]
    )
    first, second = (
        [[stage.epochs for stage in one.stages] for one in Sweep(staged, stage=stage, epochs=[3, 4]).recipe]
        for stage in (1, 2)
    )
    assert (first, second) == ([[3, 1], [4, 1]], [[1, 3], [1, 4]])


@pytest.mark.parametrize(
    ("of", "given", "message"),
    [
        (recipe(), {"learning_rat": [1, 2]}, r"no setting 'learning_rat'\.\n.*Did you mean 'learning_rate'\?"),
        (recipe(), {"rank": [4, 8]}, "rank is a setting of Lora, and all weights are trained"),
        (recipe(), {"learning_rate": [1e-4]}, "one value for each setting, so there is nothing to compare"),
        (recipe(), {"learning_rate": []}, "learning_rate has no values"),
        (recipe(), {"learning_rate": 1e-4}, "has to be a list of values"),
        (recipe(), {"learning_rate": [1e-4, 1e-4]}, "has the value 0.0001 twice"),
        (recipe(), {"learning_rate": [-1.0, 1e-4]}, "learning_rate -1.0 is not positive"),
        (recipe(), {"epochs": ["many", 2]}, "epochs is the str 'many'"),
        (recipe(), {"rows": [0, 2]}, "rows is 0"),
        (recipe(), {"rows": range(1, 10_001)}, "10,000 combinations of settings"),
        (recipe(), {"seed": [1, 2]}, r"seed is no setting that is chosen.*\n.*--seeds N"),
        (recipe(), {"eval_steps": [1, 2]}, "eval_steps is no setting that is chosen"),
        (recipe(), {"base": ["org/1b", "org/2b"]}, "with another base the loss on held-out rows is of other tokens"),
        (recipe(), {"max_length": [64, 128]}, "with another max_length the loss on held-out rows"),
        (LORA, {"rank": ["8", 16]}, "rank is the str '8'"),
        (LORA, {"rank": [None, 16]}, "rank is"),
        (recipe(), {}, "it sweeps nothing"),
        (recipe(), {"name": "rates", "epochs": [1, 2]}, "a Python name with 'sweep' in it"),
        (recipe(), {"variants": ["7b"], "epochs": [1, 2]}, "has no variant '7b'"),
        (recipe(), {"stage": 2, "epochs": [1, 2]}, "stage=2, and facts-mini has 1 that train"),
        (recipe(claims=()), {"epochs": [1, 2]}, r"facts claims nothing.\n.*judged_by"),
        (recipe([Retrieve(data=ROWS)]), {"epochs": [1, 2]}, "has 0 stages that train; which has epochs"),
        (FULL, {"epochs": [1, 2]}, "it sweeps a Finetune"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_be_meant(of, given, message):
    with pytest.raises(RecipeError, match=message):
        Sweep(of, **given)


@pytest.mark.parametrize(
    ("axes", "halved"),
    [
        ({"learning_rate": [1e-4, 1e-3]}, True), ({"rows": [5, 10]}, False), ({"phrasings": [1, 2]}, False),
        ({"epochs": [1, 2]}, False), ({"effective_batch_size": [4, 8]}, False),
        ({"learning_rate": [1e-4, 1e-3], "chosen_by": ("recall", "exact")}, False),
    ],
)  # fmt: skip
def test_only_settings_of_equally_many_steps_that_are_chosen_by_the_held_out_loss_are_halved(axes, halved):
    assert Sweep(recipe(), **axes).can_be_halved == halved
