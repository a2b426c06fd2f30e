"""The declarations of one session: subjects at its scale and over its seeds, suites by name, and the other side of a claim."""

from pathlib import Path

import pytest

from harness import Recipe, Variant
from harness.errors import HarnessError, RecipeError, SuiteError
from harness.project import Project, open_project
from tests.gates.alpha_and_beta import STAGES
from tests.hand_made import add
from tests.projects import write_project


def test_subjects_are_those_of_the_scale_each_under_every_seed(made):
    made.with_seeds(2)
    add(made, "alpha", stages=STAGES)
    add(made, "base")
    variants = [Variant("3b", base="org/x", scale="full"), Variant("mini", base="org/x", scale="mini", seed=5)]
    made.recipes["gamma"] = Recipe(name="gamma", stages=STAGES, variants=variants)
    assert [subject.id for subject in made.project.subjects()] == [
        "alpha-mini",
        "alpha-mini-seed1",
        "base-mini",  # weights without training have no seed
        "gamma-mini-seed5",
        "gamma-mini-seed6",
    ]


def test_subjects_are_named_by_recipe_or_id(made):
    made.with_seeds(2)
    add(made, "alpha", stages=STAGES)
    add(made, "beta", stages=STAGES)
    named = lambda name: [subject.id for subject in made.project.named(name)]
    assert named("alpha") == ["alpha-mini", "alpha-mini-seed1"]
    assert named("beta-mini-seed1") == ["beta-mini-seed1"]
    with pytest.raises(HarnessError) as error:
        named("gamma")
    assert error.value.problem == (
        "there is no recipe or variant 'gamma' at mini scale "
        "(there: alpha-mini, alpha-mini-seed1, beta-mini, beta-mini-seed1)."
    )


def test_a_subject_by_recipe_and_variant_is_found_or_told_what_there_is(made):
    add(made, "alpha", stages=STAGES)
    add(made, "base")
    assert made.project.subject("alpha", "mini", further=1).id == "alpha-mini-seed1"
    assert made.project.subject("base", "mini", further=1).id == "base-mini"
    with pytest.raises(RecipeError, match=r"there is no recipe 'gamma' \(recipes: alpha, base\)"):
        made.project.subject("gamma", "mini")
    with pytest.raises(RecipeError, match=r"alpha has no variant '3b' \(variants: mini\)"):
        made.project.subject("alpha", "3b")


def test_a_suite_by_name_is_found_or_told_what_there_is(made):
    assert made.project.suite("tone").name == "tone"
    with pytest.raises(SuiteError, match=r"there is no suite 'town' \(suites: quiz, tone, share\)"):
        made.project.suite("town")


# ---- the other side of a claim ------------------------------------------------------------------------


def test_a_further_seed_is_compared_with_the_references_same_seed(made):
    alpha = add(made, "alpha", stages=STAGES).with_seed(1)
    add(made, "beta", stages=STAGES)
    assert made.project.other_side(alpha, "beta").id == "beta-mini-seed1"
    assert made.project.other_side(alpha, "base").id == "base-mini_alpha", "weights without training have no seed"


def test_a_reference_that_declares_another_seed_is_found(made):
    alpha = add(made, "alpha", stages=STAGES)
    variants = [Variant("mini", base="org/beta", scale="mini", seed=5)]
    made.recipes["beta"] = Recipe(name="beta", variants=variants, stages=STAGES)
    assert made.project.other_side(alpha, "beta").seed == 5
    assert made.project.other_side(alpha.with_seed(1), "beta").seed == 6


def test_a_subject_that_declares_a_seed_is_compared_with_the_references_first(made):
    variants = [Variant("mini", base="org/alpha", scale="mini", seed=5)]
    made.recipes["alpha"] = Recipe(name="alpha", variants=variants, stages=STAGES)
    add(made, "beta", stages=STAGES)
    alpha = made.recipes["alpha"]["mini"]
    assert made.project.other_side(alpha, "beta").id == "beta-mini"
    assert made.project.other_side(alpha.with_seed(6), "beta").id == "beta-mini-seed1"


def test_a_reference_whose_variant_alone_is_trained_has_seeds_too(made):
    alpha = add(made, "alpha", stages=STAGES)
    variants = [Variant("mini", base="org/beta", scale="mini", stages=STAGES)]
    made.recipes["beta"] = Recipe(name="beta", variants=variants)
    assert made.project.other_side(alpha.with_seed(1), "beta").id == "beta-mini-seed1"


def test_there_is_no_other_side_without_the_recipe_or_without_the_variant(made):
    alpha = add(made, "alpha")
    add(made, "beta", variant="tiny")
    assert made.project.other_side(alpha, "beta") is None
    assert made.project.other_side(alpha, "gamma") is None


# ---- opened from its folder ---------------------------------------------------------------------------


@pytest.mark.usefixtures("projects_apart")
def test_a_project_is_opened_with_its_recipes_and_reads_its_suites_when_asked(tmp_path):
    root = write_project(tmp_path)
    broken = root / "suites" / "test_broken.py"
    broken.write_text("raise RuntimeError('read')\n")
    project = open_project(root, "mini", seeds=2)
    assert isinstance(project, Project)
    assert {"ground", "plain", "other"} <= set(project.recipes)
    assert "plain-mini-seed1" in [subject.id for subject in project.subjects()]
    with pytest.raises(RuntimeError, match="read"):
        project.suites  # noqa: B018
    broken.unlink()
    assert list(project.suites) == ["look"]
    assert project.suites is project.suites, "read once"


@pytest.mark.usefixtures("projects_apart")
def test_a_recipe_that_names_a_suite_which_does_not_exist_is_refused(tmp_path):
    root = write_project(tmp_path)
    recipes = root / "recipes" / "tiny.py"
    recipes.write_text(recipes.read_text().replace('name="other",', 'name="other", suites=["lok"],'))
    with pytest.raises(RecipeError, match="other: it is measured by the suite 'lok', which does not exist") as error:
        open_project(root, "mini").suites  # noqa: B018
    assert error.value.remedy == "Did you mean 'look'?"


@pytest.mark.usefixtures("projects_apart")
def test_models_and_tasks_of_the_command_line_join_what_is_declared(tmp_path):
    project = open_project(write_project(tmp_path), "mini", models=["org/My-Model"], tasks=["arc_easy"])
    assert project.recipes["my_model"]["mini"].variant.base == "org/My-Model"
    assert [suite.name for suite in project.task_suites] == ["arc_easy"]
    assert set(project.suites) == {"look", "arc_easy"}
    assert project.suite("arc_easy") is project.task_suites[0]


@pytest.mark.usefixtures("projects_apart")
def test_a_name_that_is_taken_is_refused(tmp_path):
    root = write_project(tmp_path)
    with pytest.raises(RecipeError, match="--model org/plain: its name 'plain' is a recipe's already"):
        open_project(root, "mini", models=["org/plain"])
    with pytest.raises(SuiteError, match="task look: its name 'look' is a suite's already"):
        open_project(root, "mini", tasks=["look"]).suites  # noqa: B018


@pytest.mark.usefixtures("projects_apart")
def test_a_misspelt_task_is_an_error_before_any_suite_is_read(tmp_path):
    root = write_project(tmp_path)
    (root / "suites" / "test_look.py").write_text("raise RuntimeError('read')\n")
    with pytest.raises(SuiteError, match=r"task absent\.yaml: no such task file"):
        open_project(root, "mini", tasks=["absent.yaml"])


@pytest.mark.usefixtures("projects_apart")
def test_a_task_named_twice_is_one_suite(tmp_path):
    project = open_project(write_project(tmp_path), "mini", tasks=["gsm8k:chat=true", "gsm8k:chat=true,", "arc_easy"])
    assert [suite.name for suite in project.task_suites] == ["gsm8k_chat", "arc_easy"]


@pytest.mark.usefixtures("projects_apart")
def test_a_task_file_may_lie_in_a_folder_with_a_colon(tmp_path):
    root = write_project(tmp_path)
    task = root / "a:b" / "own.yaml"
    task.parent.mkdir()
    task.write_text("task: own\n")
    [suite] = open_project(root, "mini", tasks=[f"{task}:fewshot=2"]).task_suites
    assert (suite.name, suite.asks[0].task, suite.asks[0].num_fewshot) == ("own_2shot", str(task), 2)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("", False), ("big", False), ("slow", True), ("not slow", True), ("big and slow", True), ("slower", False),
        ("test_look[big-slow_one-mini]", True),
    ],
)  # fmt: skip
def test_recipes_on_request_are_taken_where_their_word_stands(asked, taken):
    big = Recipe(name="big", variants=[Variant("mini", base="org/model", scale="mini")], on_request="Slow")
    project = Project(Path(), {"big": big}, "mini", asked=asked)
    assert bool(project.subjects()) == taken
    assert project.left_out == ({} if taken else {"Slow": ["big"]})


def test_the_word_of_a_recipe_on_request_is_one_word():
    with pytest.raises(RecipeError, match="has to be one word"):
        Recipe(name="big", variants=[], on_request="very slow")
