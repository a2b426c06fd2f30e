"""Curricula: which recipes they make, what is replayed, and which ones cannot be meant."""

from dataclasses import replace

import pytest

from harness import Claim, Curriculum, Dataset, Embedded, Finetune, Lora, Mix, Recipe, Retrieve, Variant
from harness.errors import RecipeError

DEFECTS = Dataset(name="defects", mini=Embedded("software_defects", explode="train"))
EVENTS = Dataset(name="events", mini=Embedded("events_2025", explode="train"))


def recipe(name, data, suite="recall", variants=("mini",), **claim):
    stage = Finetune(data=data, learning_rate=1e-4, epochs=1, effective_batch_size=8)
    return Recipe(
        name=name, stages=[stage], claims=[Claim(suite, "unseen", **(claim or {"higher_than": "base"}))],
        variants=[Variant(one, base="org/model", scale="mini") for one in variants],
    )  # fmt: skip


FIRST = recipe("first", Mix(DEFECTS.rows(mini=145)))
SECOND = recipe("second", Mix(EVENTS.rows(mini=100)), suite="recall_events")
THIRD = recipe("third", Mix(EVENTS.rows(mini=20)), suite="tone", below=0.5)


def test_each_later_recipe_trains_on_from_the_one_before():
    second, third = Curriculum("continual", [FIRST, SECOND, THIRD]).recipes
    assert [one.id for one in (*second, *third)] == ["continual_second-mini", "continual_third-mini"]
    assert second["mini"].variant.base == FIRST["mini"]
    assert third["mini"].variant.base == second["mini"]
    assert second["mini"].stages == SECOND["mini"].stages
    assert second.suites == ("recall", "recall_events", "tone")
    assert second.on_request == "continual"


def test_later_lessons_keep_the_template_of_the_weights_they_start_from():
    stage = Finetune(data=Mix(EVENTS), template="chatml", learning_rate=1e-4, epochs=1, effective_batch_size=8)
    marked = Recipe(name="marked", stages=[stage], claims=SECOND.claims, variants=SECOND.variants)
    [later] = Curriculum("continual", [FIRST, marked]).recipes
    assert later["mini"].stages == (replace(stage, template="base"),)
    [later] = Curriculum("continual", [marked, FIRST]).recipes
    assert later["mini"].variant.base.stages == (stage,)


def test_the_first_lesson_is_the_recipe_as_declared():
    curriculum = Curriculum("continual", [FIRST, SECOND])
    assert curriculum.after("mini") == [FIRST["mini"], curriculum.recipes[0]["mini"]]


def test_each_claims_that_what_was_taught_before_is_kept_whichever_way_is_better():
    third = Curriculum("continual", [SECOND, THIRD, FIRST], may_forget=0.05).recipes[-1]
    kept = [(claim.suite, claim.kind, claim.reference, claim.margin) for claim in third.claims]
    assert kept == [
        ("recall_events", "no_lower_than", "second", 0.05),
        ("tone", "no_higher_than", "continual_third", 0.05),
    ]


def test_replay_puts_a_share_of_every_earlier_recipes_rows_among_its_own():
    second, third = Curriculum("continual_replay", [FIRST, SECOND, THIRD], replay=0.1).recipes
    assert second["mini"].stages[0].data.declared("mini") == {"events": 100, "defects, added": 15}
    assert [data.declared_rows("mini") for data in third["mini"].stages[0].data.added] == [15, 10]
    assert third["mini"].stages[0].data.declared_rows("mini") == 20 + 15 + 10


ADAPTED = replace(FIRST, name="adapted", stages=[replace(FIRST.stages[0], adapter=Lora(rank=2))])
LOOKED_UP = Recipe(
    name="looked_up", stages=[Retrieve(data=Mix(EVENTS))], variants=FIRST.variants, claims=FIRST.claims
)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipes": [FIRST]}, "it has 1 recipes, and forgetting needs two"),
        ({"recipes": [FIRST, SECOND, FIRST]}, "first is taught twice"),
        ({"recipes": [FIRST, recipe("other", Mix(EVENTS), variants=["small"])]}, "no variant of one name in common"),
        ({"recipes": [FIRST, SECOND], "variants": ["3b"]}, "no variant '3b' in common"),
        ({"recipes": [FIRST, SECOND], "replay": 1.5}, "replay is 1.5"),
        ({"recipes": [FIRST, SECOND], "may_forget": 0.0}, "may_forget is 0"),
        ({"recipes": [FIRST, SECOND], "name": "lessons"}, "a Python name with 'continual' in it"),
        (
            {"recipes": [recipe("all", Mix(DEFECTS)), SECOND], "replay": 0.1},
            "replay: all does not declare how many rows",
        ),
        (
            {"recipes": [recipe("part", Mix(EVENTS).take(5)), FIRST], "replay": 0.1},
            "replay: part does not declare how many rows it trains on, or takes a part",
        ),
        (
            {"recipes": [ADAPTED, FIRST, SECOND]},
            "continual_first-mini: its base adapted-mini is an adapter, and training does not go on from one",
        ),
        ({"recipes": [FIRST, LOOKED_UP]}, "looked_up-mini looks things up or trains nothing"),
        ({"recipes": [FIRST, Recipe(name="mute", variants=FIRST.variants)]}, "mute claims nothing"),
        ({"recipes": [FIRST, recipe("even", Mix(EVENTS), equals=0.0)]}, "the first claim of even asks for one number"),
        ({"recipes": [FIRST, "second"]}, "'second' is no Recipe"),
    ],
)
def test_a_curriculum_that_cannot_be_meant(given, message):
    with pytest.raises(RecipeError, match=message):
        Curriculum(**{"name": "continual", **given})
