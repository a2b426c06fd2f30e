"""A session that teaches one recipe after another: left out unless named, trained with replay, measured, compared."""

import json

import duckdb
import pytest

from tests.projects import run_harness, run_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")

RECIPES = '''
"""First, then more with part of its rows held out by a split; a quarter of the first rows are replayed."""

from dataclasses import replace

from harness import Claim, Curriculum, Finetune, Mix, Recipe, Variant
from recipes.datasets import TALK
from recipes.tiny import GROUND, OTHER

FIRST = replace(OTHER, name="first", claims=[Claim("look", "words", below=100.0)])
TRAIN, _ = Mix(TALK.rows(mini=40)).split(1, mini=8)
MORE = Recipe(
    name="more",
    stages=[Finetune(data=TRAIN, template="chatml", learning_rate=5e-3, epochs=1, effective_batch_size=8, max_length=128)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
    claims=[Claim("look", "nonempty", above=0.5)],
)
LESSONS = Curriculum("continual", [FIRST, MORE], replay=0.25, may_forget=100.0)
'''
SELECTED = ("-k", "continual", "--scale", "mini")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "recipes" / "lessons.py").write_text(RECIPES.lstrip())
    return root, *run_session(root, *SELECTED)


def test_the_second_lesson_is_trained_on_its_own_rows_and_a_share_of_the_first_s(session):
    root, status, said = session
    assert status == 0, said
    assert "1 claim holds" in said
    [made] = [
        json.loads(path.read_text())
        for path in (root / ".bench" / "store" / "checkpoints").glob("*/manifest.json")
        if '"added"' in path.read_text()
    ]
    assert made["record"]["training_rows"] == 40 - 8 + 24 / 4


def test_the_database_the_report_and_the_command_have_the_matrix(session):
    root, *_ = session
    with duckdb.connect(str(root / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT subject, lesson, metric, score IS NOT NULL, since_taught IS NOT NULL FROM curricula ORDER BY place, lesson_place"
        ).fetchall()
    assert rows == [
        ("first-mini", "first", "look words", True, False),
        ("first-mini", "more", "look nonempty", True, False),
        ("continual_more-mini", "first", "look words", True, True),
        ("continual_more-mini", "more", "look nonempty", True, False),
    ]
    assert "Backward transfer is" in (root / ".bench" / "reports" / "report.html").read_text()
    shown = run_harness(root, "curriculum", "continual", "--scale", "mini").stdout
    assert "continual_more-mini" in shown
    assert "Backward transfer is" in shown
    [told] = json.loads(run_harness(root, "curriculum", "continual", "--scale", "mini", "--json").stdout)
    assert [[cell["score"] is not None for cell in row] for row in told["cells"]] == [[True, True], [True, True]]


def test_a_curriculum_that_there_is_not_is_named_with_those_there_are(session):
    root, *_ = session
    told = run_harness(root, "curriculum", "lessons", "--scale", "mini")
    assert told.returncode == 2
    assert "there is no curriculum 'lessons'" in told.stderr
    assert "Curricula: continual." in told.stderr


def test_sessions_that_do_not_name_curricula_leave_them_out(session):
    root, *_ = session
    status, said = run_session(root, "-k", "more", "--scale", "mini", "--collect-only", "-q")
    assert status == 0
    assert "continual_more-mini" not in said
