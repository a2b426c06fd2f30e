"""Settings compared: by numbers worked out by hand, and by simulation where the best of equal ones is picked."""

import random
from dataclasses import replace

import pytest

from harness import Claim, Dataset, Embedded, Finetune, Mean, Mix, Recipe, Sweep, Variant
from harness.errors import SuiteError
from harness.gates.sweeps import check_sweep, compare_settings
from tests.hand_made import measure

ROWS = Mix(Dataset(name="facts", mini=Embedded("events_2025", explode="train", group="item")))
STAGE = Finetune(data=ROWS, learning_rate=1e-3, epochs=1, effective_batch_size=8)
BETTER = [Mean("acc", (0, 1), better="higher"), Mean("loss", better="lower")]


@pytest.fixture
def swept(made):
    """A sweep of three rates, of which the second is declared, by the suite `share`, and its base."""
    made.suites["share"] = replace(made.suites["share"], metrics=BETTER)
    made.recipes["facts"] = Recipe(
        name="facts", stages=[STAGE], variants=[Variant("mini", base="org/base", scale="mini")],
        claims=[Claim("share", "acc", higher_than="base")],
    )  # fmt: skip
    sweep = Sweep(made.recipes["facts"], learning_rate=[1e-4, 1e-3, 1e-2], chosen_by=("share", "loss"))
    made.recipes[sweep.recipe.name] = sweep.recipe
    made.project.sweeps[sweep.recipe.name] = sweep
    made.recipes["base"] = Recipe(name="base", variants=[Variant("mini", base="org/base", scale="mini")])
    return sweep


def compared(made, sweep):
    [found] = compare_settings(made.project, made.results, sweep)
    return found


def measured(made, sweep, accs, losses):
    measure(made, made.recipes["base"]["mini"], "share", acc=[0.0] * len(accs[0]), loss=[3.0] * len(accs[0]))
    for subject, acc, loss in zip(sweep.recipe, accs, losses, strict=True):
        measure(made, subject, "share", acc=acc, loss=loss)
    return compared(made, sweep)


def test_the_winner_is_chosen_by_one_metric_and_judged_by_the_other(made, swept):
    found = measured(
        made, swept,
        accs=[[0.0] * 10, [0, 1] * 5, [1.0] * 9 + [0.0]],
        losses=[[1.0] * 10, [2.0] * 10, [1.5] * 10],
    )  # fmt: skip
    low, declared, high = found.settings
    assert [one.winner for one in found.settings] == [True, False, False]  # the lowest loss, not the highest acc
    assert [one.own for one in found.settings] == [False, True, False]
    assert [one.score for one in found.settings] == pytest.approx([0.0, 0.5, 0.9])
    assert [one.over_base.estimate for one in found.settings] == pytest.approx([0.0, 0.5, 0.9])
    assert (low.over_own.estimate, declared.over_own, high.over_own.estimate) == (-0.5, None, pytest.approx(0.4))
    assert (low.values, low.words) == ({"learning_rate": 1e-4}, "learning_rate 0.0001")
    assert "learning_rate 0.0001 is chosen by share loss (1.000)" in found.conclusion


def test_p_values_are_adjusted_for_the_number_of_settings(made, swept):
    found = measured(made, swept, [[0, 1] * 5, [0] * 10, [0, 0, 0, 0, 1] * 2], [[1.0] * 10] * 3)
    first, _, last = found.settings
    ordered = sorted([first, last], key=lambda one: one.over_own.p_value)
    assert ordered[0].p_adjusted == pytest.approx(min(1, 2 * ordered[0].over_own.p_value))
    assert ordered[1].p_adjusted == pytest.approx(max(ordered[0].p_adjusted, ordered[1].over_own.p_value))


def test_none_is_chosen_before_all_are_measured(made, swept):
    measure(made, next(iter(swept.recipe)), "share", acc=[1.0] * 10, loss=[1.0] * 10)
    found = compared(made, swept)
    assert [one.score for one in found.settings] == [1.0, None, None]
    assert not any(one.winner for one in found.settings)
    assert found.conclusion == "2 of 3 settings are not measured by both; none is chosen."


def test_a_metric_has_to_have_a_direction(made, swept):
    made.suites["share"] = replace(made.suites["share"], metrics=[Mean("acc", (0, 1)), Mean("loss")])
    with pytest.raises(SuiteError, match="not known whether more of it is better"):
        compared(made, swept)
    made.suites["share"] = replace(made.suites["share"], metrics=BETTER[:1], guards=())
    with pytest.raises(SuiteError, match="share 'loss', which the suite does not declare"):
        compared(made, swept)


def test_what_picking_by_the_judged_score_would_add_is_said(made, swept):
    draw = random.Random(0)
    accs = [[draw.random() for _ in range(60)] for _ in range(3)]
    found = measured(made, swept, accs, [[1.0] * 60, [2.0] * 60, [3.0] * 60])
    assert 0.01 < found.optimism < 0.06  # 0.85 standard errors of 0.037
    assert "would look" in found.conclusion


def test_what_twice_as_much_is_worth_is_the_slope_over_amounts(made):
    """0.1, 0.3 and 0.5 at 5, 10 and 20 rows: 0.2 for each doubling, the same on every sample."""
    made.suites["share"] = replace(made.suites["share"], metrics=BETTER)
    made.recipes["facts"] = recipe = Recipe(
        name="facts", stages=[STAGE], variants=[Variant("mini", base="org/base", scale="mini")],
        claims=[Claim("share", "acc", higher_than="base")],
    )  # fmt: skip
    sweep = Sweep(recipe, rows=[5, 10, 20], chosen_by=("share", "loss"))
    made.recipes[sweep.recipe.name] = sweep.recipe
    made.project.sweeps[sweep.recipe.name] = sweep
    noise = [0.01 * (i % 3 - 1) for i in range(9)]
    for subject, level in zip(sweep.recipe, (0.1, 0.3, 0.5), strict=True):
        measure(made, subject, "share", acc=[level + x for x in noise], loss=[1.0] * 9)
    found = compared(made, sweep)
    assert found.doubling.estimate == pytest.approx(0.2)
    assert (found.doubling.low, found.doubling.high) == pytest.approx((0.2, 0.2))
    assert "Twice the rows are worth +0.200" in found.conclusion


def test_its_rows_say_the_same(made, swept):
    found = measured(made, swept, [[0, 1] * 5, [0] * 10, [1] * 10], [[1.0] * 10, [2.0] * 10, [3.0] * 10])
    rows = found.rows("run")
    assert [row["winner"] for row in rows] == [True, False, False]
    assert [row.get("declared") for row in rows] == ["facts-mini", None, "facts-mini"]
    assert {row["base"] for row in rows} == {"base-mini"}
    assert rows[0]["axes"] == '{"learning_rate": 0.0001}'


@pytest.mark.parametrize(
    ("chosen_by", "message"),
    [
        (
            ("training", "held_out_loss"),
            r"facts_sweep is chosen or judged by training held_out_loss, and there is no suite",
        ),
        (("share", "accuracy"), r"'accuracy', which the suite does not declare"),
    ],
)
def test_what_could_not_be_compared_is_said_before_training(made, swept, chosen_by, message):
    with pytest.raises(SuiteError, match=message):
        check_sweep(made.project, Sweep(made.recipes["facts"], learning_rate=[1e-4, 1e-2], chosen_by=chosen_by))
