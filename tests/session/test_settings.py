"""[tool.harness] in pyproject.toml: what it may say, where its paths lead, and the error for each mistake."""

import pytest

from harness.errors import HarnessError
from harness.session.options import read_options
from harness.session.settings import Settings, settings_of
from harness.session.setup import open_setup, store_of
from tests.session.test_options import TYPED


def project(root, *lines):
    (root / "pyproject.toml").write_text("\n".join(["[tool.harness]", *lines]))
    return root


def test_without_a_file_state_is_in_bench_and_data_where_there_is_a_folder_of_that_name(tmp_path):
    bench = tmp_path / ".bench"
    assert settings_of(tmp_path) == Settings(bench / "store", bench / "results.duckdb")
    (tmp_path / "data").mkdir()
    assert settings_of(tmp_path).data_root == tmp_path / "data"


def test_paths_are_relative_to_the_project(tmp_path):
    (tmp_path / "rows").mkdir()
    said = project(
        tmp_path, 'scale = "tiny"', 'data_root = "rows"', 'store = "../shared"', 'results = "out/all.duckdb"'
    )
    shared, results = tmp_path / ".." / "shared", tmp_path / "out" / "all.duckdb"
    assert settings_of(said) == Settings(shared, results, "tiny", tmp_path / "rows")
    assert settings_of(project(tmp_path, 'store = "/mnt/store"')).store == tmp_path.__class__("/mnt/store")
    assert settings_of(project(tmp_path, 'store = "s3://bucket/store"')).store == "s3://bucket/store"


def test_a_path_of_the_users_home_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    said = settings_of(project(tmp_path, 'store = "~/store"', 'results = "~/r.duckdb"'))
    assert (said.store, said.results) == (tmp_path / "me" / "store", tmp_path / "me" / "r.duckdb")


@pytest.mark.usefixtures("projects_apart")
def test_models_that_the_machine_keeps_are_looked_for_in_every_session_and_command(tmp_path):
    (tmp_path / "models").mkdir()
    root = project(tmp_path, 'models = "models"')
    setup = open_setup(root, store_of(root, None), read_options(TYPED.__getitem__, settings_of(root)))
    assert setup.keys.models == tmp_path / "models"


def test_tasks_are_written_as_on_the_command_line_and_their_files_are_below_the_project(tmp_path):
    said = settings_of(project(tmp_path, 'tasks = "gsm8k:fewshot=5,chat=true, tasks/own.yaml:fewshot=2"'))
    assert said.tasks == ("gsm8k:fewshot=5,chat=true", f"{tmp_path}/tasks/own.yaml:fewshot=2")


def test_a_section_that_is_no_table_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool]\nharness = "x"\n')
    with pytest.raises(HarnessError, match="is 'x', and has to be a table"):
        settings_of(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('scal = "tiny"', "has no setting 'scal'. Did you mean 'scale'"),
        ('gpu = "0"', "has no setting 'gpu'. It has: scale, data_root, store, results, models, tasks, project."),
        ('project = "a/b"', "project = 'a/b': a name has letters, digits, dots, _ and - only."),
        ('tasks = "fewshot=5"', "[tool.harness] tasks = fewshot=5: 'fewshot=5' is no task"),
        ("scale = 1", "scale = 1: it has to be a text in quotes"),
        ('data_root = "rows"', "data_root = 'rows': no such folder"),
        ('models = "rows"', "models = 'rows': no such folder"),
        ("scale = ", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path, line, said):
    with pytest.raises(HarnessError) as error:
        settings_of(project(tmp_path, line))
    assert said in " ".join(error.value.message.split())
    assert error.value.problem.startswith(str(tmp_path / "pyproject.toml"))


def test_a_project_is_called_as_it_says_or_its_package_or_its_folder(tmp_path):
    root = tmp_path / "My Owls"
    root.mkdir()
    assert settings_of(root).called is None, "a folder without recipes is no project"
    (root / "recipes").mkdir()
    assert (settings_of(root).called, settings_of(root).project) == ("My_Owls", None)
    (root / "pyproject.toml").write_text('[project]\nname = "owls"\n')
    assert (settings_of(root).called, settings_of(root).project) == ("owls", None)
    (root / "pyproject.toml").write_text('[project]\nname = "owls"\n[tool.harness]\nproject = "night-owls"\n')
    assert settings_of(root).project == "night-owls"


def test_a_store_of_its_own_is_of_whoever_is_there_and_one_outside_of_several(tmp_path):
    """A project that is moved or renamed keeps the runs in its own store."""
    root = tmp_path / "owls"
    (root / "recipes").mkdir(parents=True)
    assert store_of(root, None).project is None
    assert store_of(root, tmp_path / "shared").project == "owls"
    (root / "pyproject.toml").write_text('[tool.harness]\nproject = "night-owls"\n')
    assert store_of(root, None).project == "night-owls"
