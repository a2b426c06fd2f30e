"""The plugin without any training: what is collected, selected and refused, in whole sessions that judge only."""

import pytest

from tests.projects import run_session, write_project

OWN_TESTS = '''
"""Tests of a user's own: of two recipes, of one, with arguments of the same names, and of no checkpoint at all."""

import pytest

from harness import Suite
from suites.test_look import LOOK


def test_both(plain, other, evaluate):
    assert evaluate(LOOK, plain)["words"] <= evaluate(LOOK, other)["words"]


def test_one(plain):
    assert plain.path


@pytest.mark.parametrize("checkpoint", ["a", "b"])
def test_own_argument(checkpoint):
    assert checkpoint in ("a", "b")


class TestOwnFixtures:
    @pytest.fixture
    def ground(self):
        return "not a recipe"

    @pytest.fixture
    def verdict(self):
        return "guilty"

    @pytest.mark.parametrize("task", ["mine"])
    def test_own_fixtures(self, ground, verdict, task):
        assert (ground, verdict, task) == ("not a recipe", "guilty", "mine")


def test_results(results):
    assert results.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_task(checkpoint, task):
    raise AssertionError("there are no tasks")
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "suites" / "test_own.py").write_text(OWN_TESTS)
    return root


def collected(project, *arguments):
    status, output = run_session(project, "--collect-only", "-q", *arguments)
    assert status == 0, output
    return [line.split("::")[-1] for line in output.splitlines() if "::" in line]


def test_every_subject_and_every_claim_is_a_test_and_gates_come_last(project):
    names = collected(project)
    assert {"test_look[ground-mini]", "test_look[plain-mini]", "test_look[other-mini]"} <= set(names)
    assert names[-2:] == ["test_gate[plain-mini-look-words]", "test_gate[plain-mini-look-nonempty]"]


def test_seeds_multiply_subjects(project):
    names = collected(project, "--seeds", "2", "-k", "test_look and plain")
    assert names[:2] == ["test_look[plain-mini]", "test_look[plain-mini-seed1]"]


def test_a_recipes_name_selects_the_tests_that_ask_for_it_alone(project):
    names = collected(project, "-k", "plain")
    assert "test_one[mini]" in names
    assert "test_both[mini]" not in names  # it would train `other` too


def test_arguments_that_a_test_fills_itself_are_left_alone(project):
    assert [name for name in collected(project) if "own_argument" in name] == [
        "test_own_argument[a]",
        "test_own_argument[b]",
    ]


def test_fixtures_that_a_test_module_defines_come_before_those_of_recipes(project):
    status, output = run_session(project, "-k", "own_fixtures")
    assert status == 0, output
    assert "1 passed" in output
    assert "to train" not in output


def test_a_test_of_tasks_is_collected_only_where_tasks_are_given(project):
    assert not any(name.startswith("test_task") for name in collected(project))


def test_a_mistyped_name_is_answered_with_the_nearest(project):
    _, output = run_session(project, "--no-train", "-k", "plian")
    assert "note: -k names plian, which no test's name holds; did you mean plain?" in output


def test_nothing_stored_and_nothing_trained_is_said_without_a_traceback(project):
    status, output = run_session(project, "--no-train", "-k", "test_look and plain")
    assert status == 1
    assert "CheckpointMissing" in output
    assert "Traceback" not in output
    assert "harness/" not in output.replace("harness: scale", "")


def test_the_header_says_at_which_scale_and_why(project):
    _, output = run_session(project, "--no-train", "-k", "own_argument")
    assert "harness: scale mini (no --gpu, no --scale), device cpu, store " in output


def test_the_fixture_results_says_what_to_do_where_nothing_was_measured(tmp_path):
    root = write_project(tmp_path)
    (root / "suites" / "test_own.py").write_text(OWN_TESTS)
    _, output = run_session(root, "--no-train", "-k", "test_results")
    assert "results.duckdb does not exist" in output
    assert "Run a suite first" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "huge"], "--scale huge"),
        (["--seeds", "0"], "--seeds 0"),
        (["--data-root", "nowhere"], "--data-root nowhere: no such folder"),
        (["--baseline", "nightly"], "nightly"),
        (["--tasks", "no_such_task.yaml"], "no_such_task.yaml"),
    ],
)
def test_wrong_use_is_one_message_and_status_4(project, arguments, message):
    status, output = run_session(project, *arguments)
    assert status == 4, output
    assert message in output
    assert "Traceback" not in output


def test_a_folder_without_recipes_has_a_plain_pytest_session(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "test_plain.py").write_text("def test_nothing():\n    pass\n")
    status, output = run_session(tmp_path)
    assert status == 0, output
    assert "harness:" not in output


def test_a_claim_about_a_suite_that_does_not_exist_stops_the_session_before_it_trains(tmp_path):
    root = write_project(tmp_path)
    path = root / "recipes" / "tiny.py"
    path.write_text(path.read_text().replace('Claim("look", "words"', 'Claim("loook", "words"'))
    status, output = run_session(root)
    assert status == 4
    assert "RecipeError: plain: a claim is about the suite 'loook', which does not exist." in output
    assert "Did you mean 'look'?" in output
