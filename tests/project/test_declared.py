"""Small projects written into a folder: which recipes and suites are found, and how mistakes in them are told."""

import subprocess
import sys

import pytest

from harness import Architecture, Generate
from harness.data.sources import SCALES
from harness.errors import HarnessError
from harness.project.declared import find_root, load_recipes, load_suites
from tests.projects import ROOT

RECIPE = '''"""Why {name} should work."""

from harness import Claim, Dataset, Embedded, Finetune, Mix, Recipe, Variant

FACTS = Dataset(name="facts", mini=Embedded("facts"))

{constant} = Recipe(
    {name_field},
    stages=[Finetune(data=Mix(FACTS.rows(10, mini=10)), {settings}, epochs=1, effective_batch_size=4)],
    variants=[Variant("mini", base="org/model", scale="mini")],
    claims=[{claims}],
)
'''
SUITE = """from harness import Dataset, Embedded, Sample, Suite
from harness.scoring import fitness

def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])

{constant} = Suite(
    name="{name}", dataset=Dataset(name="p", mini=Embedded("tone_prompts")), {to_sample}=to_sample, scorer=fitness
)
"""


def write_recipe(root, name, claims="", settings="learning_rate=2e-4", name_field=None):
    (root / "recipes").mkdir(exist_ok=True)
    text = RECIPE.format(
        name=name, constant=name.upper(), claims=claims, settings=settings, name_field=name_field or f'name="{name}"'
    )
    (root / "recipes" / f"{name}.py").write_text(text)


def write_suite(root, name, constant="QUIZ", to_sample="to_sample"):
    (root / "suites").mkdir(exist_ok=True)
    (root / "suites" / f"test_{name}.py").write_text(SUITE.format(name=name, constant=constant, to_sample=to_sample))


def loaded(root, what="load_recipes"):
    """What a process of its own finds: 'name | hypothesis' of each, or the error as a user reads it."""
    code = (
        "import sys; from pathlib import Path; from harness.project import declared; from harness.errors import HarnessError\n"
        "try:\n"
        f"    for value in declared.{what}(Path(sys.argv[1])).values():\n"
        "        print(value.name, '|', getattr(value, 'hypothesis', ''))\n"
        "except HarnessError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_recipe_takes_its_hypothesis_from_its_files_docstring(tmp_path):
    write_recipe(tmp_path, "alpha")
    assert loaded(tmp_path) == "alpha | Why alpha should work."


def test_a_recipe_that_names_itself_by_position_is_found(tmp_path):
    write_recipe(tmp_path, "alpha", name_field='"alpha"')
    assert loaded(tmp_path) == "alpha | Why alpha should work."


def test_a_recipe_imported_by_another_file_belongs_to_its_own(tmp_path):
    write_recipe(tmp_path, "beta")
    (tmp_path / "recipes" / "alpha.py").write_text(
        '"""Why alpha."""\n\nfrom dataclasses import replace\n\nfrom recipes.beta import BETA\n\n'
        'ALPHA = replace(BETA, name="alpha", hypothesis="")\n'
    )
    assert loaded(tmp_path).splitlines() == ["alpha | Why alpha.", "beta | Why beta should work."]


def test_a_dataset_of_the_same_name_does_not_make_a_recipe_anothers(tmp_path):
    write_recipe(tmp_path, "beta")
    (tmp_path / "recipes" / "alpha.py").write_text(
        '"""Rows, no recipe."""\n\nfrom harness import Dataset\nfrom recipes.beta import BETA\n\nROWS = Dataset(name="beta")\n'
    )
    assert loaded(tmp_path) == "beta | Why beta should work."


def test_two_recipes_of_one_name_are_refused(tmp_path):
    write_recipe(tmp_path, "alpha")
    write_recipe(tmp_path, "beta", name_field='name="alpha"')
    assert loaded(tmp_path) == "RecipeError: recipe 'alpha' is declared twice: in alpha.py and beta.py."


def test_a_misspelt_field_is_told_with_its_place_and_the_right_name(tmp_path):
    write_recipe(tmp_path, "alpha", settings="learning_rat=2e-4")
    told = loaded(tmp_path)
    assert told.startswith("RecipeError: recipes/alpha.py:9: Finetune has no field 'learning_rat'.")
    assert told.endswith("Did you mean 'learning_rate'?")


def test_a_field_like_no_other_is_answered_with_those_there_are(tmp_path):
    write_recipe(tmp_path, "alpha", claims='Claim("tone", "x", zzz=1)')
    assert "Claim has no field 'zzz'" in loaded(tmp_path)
    assert "It has: suite, metric, lower_than" in loaded(tmp_path)


def test_a_setting_that_cannot_train_is_told_with_its_place(tmp_path):
    write_recipe(tmp_path, "alpha", settings="learning_rate=0")
    assert loaded(tmp_path) == "RecipeError: recipes/alpha.py:9: Finetune: learning_rate 0 is not positive."


def test_a_claim_on_an_unknown_recipe_is_refused_with_the_nearest_name(tmp_path):
    write_recipe(tmp_path, "with_kilt")
    write_recipe(tmp_path, "alpha", claims='Claim("tone", "conversational", lower_than="with_klit")')
    told = loaded(tmp_path)
    assert "alpha: a claim names the recipe 'with_klit', which does not exist." in told
    assert told.endswith("Did you mean 'with_kilt'?")


def test_suites_are_found_by_name(tmp_path):
    write_suite(tmp_path, "quiz")
    write_suite(tmp_path, "tone")
    assert [line.split(" |")[0] for line in loaded(tmp_path, "load_suites").splitlines()] == ["quiz", "tone"]


def test_two_suites_of_one_name_are_refused(tmp_path):
    write_suite(tmp_path, "quiz")
    copied = (tmp_path / "suites" / "test_quiz.py").read_text().replace("fitness\n)", "fitness, system_prompt='x'\n)")
    (tmp_path / "suites" / "test_other.py").write_text(copied)
    assert "SuiteError: suite 'quiz' is declared twice, the second time in suites/test_quiz.py." in loaded(
        tmp_path, "load_suites"
    )


def test_a_misspelt_field_of_a_suite_is_told_with_its_place(tmp_path):
    write_suite(tmp_path, "quiz", to_sample="to_samples")
    told = loaded(tmp_path, "load_suites")
    assert "suites/test_quiz.py:7: Suite has no field 'to_samples'." in told
    assert told.endswith("Did you mean 'to_sample'?")


def test_the_project_is_the_nearest_folder_with_recipes_and_a_configuration(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "conftest.py").touch()
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    assert find_root(tmp_path / "deep" / "deeper") == tmp_path


def test_a_folder_in_no_project_is_told_so(tmp_path):
    (tmp_path / "recipes").mkdir()  # no conftest.py, no pyproject.toml beside it
    with pytest.raises(HarnessError, match="is in no project"):
        find_root(tmp_path)


# ---- reports ------------------------------------------------------------------------------------------


def test_reports_are_read_from_files_that_declare_them_alone(tmp_path):
    """A folder `reports/` may be something else of the project's: what it holds is not run."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a_own.py").write_text(
        "from harness import Report\nSECOND = Report('second')\nFIRST = Report('first')\n"
    )
    (tmp_path / "reports" / "b_script.py").write_text("raise SystemExit('this was run')\n")
    (tmp_path / "reports" / "c_notes.py").write_text("not Python at all\n")
    code = (
        "import sys; from pathlib import Path; from harness import Report; from harness.project import declared\n"
        "print([report.name for report in declared.load_reports(Path(sys.argv[1]), Report)])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['second', 'first']"


def test_a_project_without_a_folder_declares_nothing_of_it(tmp_path):
    assert [loaded(tmp_path, what) for what in ("load_recipes", "load_suites")] == ["", ""]


@pytest.mark.usefixtures("projects_apart")
def test_answers_of_this_projects_suites_fit_into_its_smallest_models():
    """A prompt needs room too: answers have half of the context at most."""
    smallest = dict.fromkeys(SCALES, 10**9)
    for recipe in load_recipes(ROOT).values():
        for variant in recipe.variants:
            if isinstance(variant.base, Architecture):
                smallest[variant.scale] = min(smallest[variant.scale], variant.base.context_length)
    assert smallest["tiny"] < 1_000
    for suite in load_suites(ROOT).values():
        for scale, context in smallest.items():
            asked = [ask.max_new_tokens for ask in suite.at(scale).asks if isinstance(ask, Generate)]
            assert all(tokens <= context // 2 for tokens in asked), (suite.name, scale)
