"""What a curriculum did to what was taught before: by numbers worked out by hand."""

from dataclasses import replace

import pytest

from harness import Claim, Curriculum, Dataset, Embedded, Finetune, Mean, Mix, Recipe, Variant
from harness.gates.curricula import what_was_learnt
from tests.hand_made import measure

ROWS = Dataset(name="facts", mini=Embedded("events_2025", explode="train"))
METRICS = [Mean("acc", (0, 1), better="higher"), Mean("loss", better="lower")]


def recipe(name, count, claim):
    stage = Finetune(data=Mix(ROWS.rows(mini=count)), learning_rate=1e-3, epochs=1, effective_batch_size=8)
    return Recipe(name=name, stages=[stage], variants=[Variant("mini", base="org/base", scale="mini")], claims=[claim])


@pytest.fixture
def continual(made):
    """Two lessons: the first is measured by a score of which more is better, the second by one of which less is."""
    for suite in ("share", "tone"):
        made.suites[suite] = replace(made.suites[suite], metrics=METRICS, guards=())
    first = recipe("first", 5, Claim("share", "acc", higher_than="base"))
    second = recipe("second", 6, Claim("tone", "loss", below=1.0))
    third = recipe("third", 7, Claim("share", "loss", below=1.0))
    curriculum = Curriculum("continual", [first, second, third])
    for one in (first, second, third, *curriculum.recipes):
        made.recipes[one.name] = one
    made.project.curricula["continual"] = curriculum
    return curriculum


def learnt(made, curriculum):
    [found] = what_was_learnt(made.project, made.results, curriculum)
    return found


def score(made, curriculum, accs, losses):
    """After each lesson: the mean acc by `share`, the mean loss by `tone`, on ten samples that differ a little."""
    little = [0.01 * (i % 2) for i in range(10)]
    for subject, acc, loss in zip(curriculum.after("mini"), accs, losses, strict=True):
        measure(made, subject, "share", acc=[acc + x for x in little], loss=[1.0] * 10)
        measure(made, subject, "tone", acc=[0.0] * 10, loss=[loss - x for x in little])


def test_the_matrix_has_a_row_for_each_lesson_taught_and_a_column_for_each_measured(made, continual):
    score(made, continual, accs=[0.8, 0.6, 0.5], losses=[3.0, 1.0, 1.4])
    found = learnt(made, continual)
    assert [[round(cell.score, 3) for cell in row[:2]] for row in found.cells] == [
        [0.805, 2.995], [0.605, 0.995], [0.505, 1.395],
    ]  # fmt: skip
    assert [row[0].after for row in found.cells] == ["first-mini", "continual_second-mini", "continual_third-mini"]
    last = found.cells[-1]
    assert last[0].since_taught.estimate == pytest.approx(-0.3)  # 0.8 -> 0.5
    assert last[1].since_taught.estimate == pytest.approx(-0.4)  # a loss that rose from 1.0 to 1.4 is worse
    assert last[2].since_taught is None


def test_backward_transfer_is_the_mean_change_and_forgetting_starts_from_the_best_so_far(made, continual):
    score(made, continual, accs=[0.5, 0.9, 0.6], losses=[3.0, 1.0, 1.2])
    found = learnt(made, continual)
    assert found.backward_transfer.estimate == pytest.approx((0.1 - 0.2) / 2)
    since = [cell.since_taught for cell in found.cells[-1][:2]]
    assert found.backward_transfer.low == pytest.approx(sum(one.low for one in since) / 2)
    assert found.forgetting == pytest.approx((-0.3 - 0.2) / 2)
    assert "Backward transfer is -0.050" in found.conclusion
    assert "Measured from the best score on the way it is -0.250" in found.conclusion


def test_what_is_not_measured_is_said(made, continual):
    measure(made, continual.after("mini")[0], "share", acc=[1.0] * 10, loss=[1.0] * 10)
    found = learnt(made, continual)
    assert (found.backward_transfer, found.forgetting) == (None, None)
    assert found.conclusion == "7 of 9 scores are not measured, so what was forgotten is not known."


def test_its_rows_say_the_same(made, continual):
    score(made, continual, accs=[0.8, 0.6, 0.5], losses=[3.0, 1.0, 1.4])
    rows = learnt(made, continual).rows("run")
    assert len(rows) == 9
    assert [(row["place"], row["lesson_place"]) for row in rows][:4] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert rows[6]["since_taught"] == pytest.approx(-0.3)
    assert rows[0]["since_taught"] is None
