"""A project's first files: what is written where, what is left as it is, and that all or nothing is written."""

import ast
import tomllib

import pytest

from harness.errors import HarnessError
from harness.project.starting.begin import EXPERIMENT, SURROUNDINGS, add_suites, begin, new_recipe, new_suite


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def declared(path):
    """The names that a Python file declares; it has to be valid."""
    return {node.targets[0].id for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)}


def test_a_new_folder_gets_an_experiment_and_what_belongs_around_it(tmp_path):
    begun = begin(tmp_path / "new", ["tone", "stability"])
    assert begun.kept == ()
    assert files(tmp_path / "new") == sorted(begun.written)
    assert set(begun.written) == {*EXPERIMENT, *SURROUNDINGS, "suites/test_tone.py", "suites/test_stability.py"}
    assert tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["tool"]["harness"] == {"scale": "tiny"}
    assert declared(tmp_path / "new" / "recipes" / "models.py") == {"SMOLLM2", "STORIES", "SHAPE", "TINY"}
    assert "${{ github.sha }}" in (tmp_path / "new" / ".github" / "workflows" / "fine-tuning.yml").read_text()


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("org/model-3B", 'MODEL = "org/model-3B"'),
        ("model.gguf", 'MODEL = Gguf("{}/model.gguf")'),
        ("folder", 'MODEL = "{}/folder"'),
    ],
)
def test_a_model_given_is_what_the_experiment_trains_at_mini_scale(tmp_path, monkeypatch, model, written):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").touch()
    (tmp_path / "folder").mkdir()
    begin(tmp_path / "new", model=model)
    models = (tmp_path / "new" / "recipes" / "models.py").read_text()
    assert written.format(tmp_path) in models
    assert ("Gguf" in models) == ("Gguf" in written)
    assert "base=MODEL" in (tmp_path / "new" / "recipes" / "kestrel.py").read_text()
    assert tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["tool"]["harness"] == {"scale": "mini"}


def test_the_files_of_a_repository_are_left_as_they_are(tmp_path):
    for name in ("pyproject.toml", ".gitignore", "conftest.py"):
        (tmp_path / name).write_text("# mine\n")
    begun = begin(tmp_path)
    assert begun.kept == ("pyproject.toml", ".gitignore")
    assert all((tmp_path / name).read_text() == "# mine\n" for name in ("pyproject.toml", ".gitignore", "conftest.py"))


@pytest.mark.parametrize("there", ["suites/test_kestrel.py", "data/kestrel_answers.jsonl", "suites/test_tone.py"])
def test_nothing_is_written_where_a_file_would_be_overwritten(tmp_path, there):
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine")
    with pytest.raises(HarnessError, match=f"{there} is there already; nothing was written"):
        begin(tmp_path, ["tone"])
    assert files(tmp_path) == [there]


def test_nothing_is_written_for_a_suite_that_there_is_not_or_beside_recipes(tmp_path):
    with pytest.raises(HarnessError, match="no suite 'tune'"):
        begin(tmp_path, ["tone", "tune"])
    assert files(tmp_path) == []
    begin(tmp_path)
    with pytest.raises(HarnessError, match="recipes holds recipes already") as error:
        begin(tmp_path)
    assert "harness new recipe" in error.value.remedy


def test_a_further_recipe_starts_from_the_projects_model_or_brings_one(tmp_path):
    (tmp_path / "recipes").mkdir()
    new_recipe(tmp_path, "short_answers")
    path = tmp_path / "recipes" / "short_answers.py"
    assert declared(path) == {"SMOLLM2", "ROWS", "SHORT_ANSWERS"}
    path.unlink()
    (tmp_path / "recipes" / "models.py").write_text('"""Models."""\n\nMODEL = "org/model"\n')
    new_recipe(tmp_path, "short_answers")
    assert declared(path) == {"ROWS", "SHORT_ANSWERS"}
    assert "from recipes.models import MODEL\n" in path.read_text()


def test_further_suites_are_added_all_or_none(tmp_path):
    assert new_suite(tmp_path, "manners").written == ("suites/test_manners.py",)
    assert declared(tmp_path / "suites" / "test_manners.py") == {"QUESTIONS", "MANNERS"}
    add_suites(tmp_path, ["tone"])
    with pytest.raises(HarnessError, match="test_tone.py is there already"):
        add_suites(tmp_path, ["stability", "tone"])
    assert files(tmp_path) == ["suites/test_manners.py", "suites/test_tone.py"]


@pytest.mark.parametrize("name", ["9lives", "short-answers", "class", "Short", ""])
def test_a_name_that_python_does_not_take_is_refused(tmp_path, name):
    for new in (new_recipe, new_suite):
        with pytest.raises(HarnessError, match="cannot be a name"):
            new(tmp_path, name)


def test_a_recipe_that_there_is_is_refused(tmp_path):
    begin(tmp_path)
    with pytest.raises(HarnessError, match="models.py declares something called 'tiny' already"):
        new_recipe(tmp_path, "tiny")
