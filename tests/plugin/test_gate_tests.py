"""Claims as tests of the suites' files: in a project without a test of verdicts, and in one that has its own."""

import pytest

from harness.plugin.gate_tests import judges_by_itself
from tests.projects import SUITE, run_session, write_project

WITHOUT_GATES = SUITE[: SUITE.index("def test_gate")]
IMPORTS_ONLY = '"""A suite of another file, looked at again."""\n\nfrom suites.test_look import LOOK\n\n\ndef test_it():\n    assert LOOK\n'


@pytest.fixture
def project(tmp_path):
    root = write_project(tmp_path)
    (root / "suites" / "test_look.py").write_text(WITHOUT_GATES)
    (root / "suites" / "test_again.py").write_text(IMPORTS_ONLY)
    return root


def gates(root):
    _, output = run_session(root, "--collect-only", "-q", "-m", "gate")
    return [line for line in output.splitlines() if "::" in line]


def test_a_claim_is_a_test_of_the_file_that_declares_its_suite_once(project):
    assert gates(project) == [
        "suites/test_look.py::test_gate[plain-mini-look-words]",
        "suites/test_look.py::test_gate[plain-mini-look-nonempty]",
    ]


def test_a_gate_without_a_test_of_its_own_is_judged_and_says_what_is_missing(project):
    status, output = run_session(project, "--no-train", "-m", "gate", "-rs")
    assert status == 0, output
    assert "2 skipped" in output
    assert "plain-mini is not measured by look" in " ".join(output.split())


def test_a_file_without_claims_about_its_suites_has_no_further_test(project):
    (project / "suites" / "test_other.py").write_text(WITHOUT_GATES.replace('"look"', '"other_look"'))
    _, output = run_session(project, "--collect-only", "-q")
    assert "NOTSET" not in output
    assert len(gates(project)) == 2


@pytest.mark.parametrize(
    ("text", "itself"),
    [
        ("def test_mine(verdict):\n    assert verdict.passed\n", True),
        ("class TestMine:\n    def test_it(self, verdict):\n        assert verdict\n", True),
        ("def helper(verdict):\n    return verdict\n", False),
        ('"""A suite whose verdict is known."""\n', False),
        ("def test_mine(verdict:\n", False),
        ("@pytest.mark.parametrize('verdict', [1])\ndef test_mine(verdict):\n    assert verdict\n", False),
        ("@pytest.fixture\ndef verdict():\n    return 1\n\n\ndef test_mine(verdict):\n    assert verdict\n", False),
    ],
)
def test_a_test_that_takes_a_verdict_decides_for_the_whole_project(tmp_path, text, itself):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "test_mine.py").write_text(text)
    assert judges_by_itself(tmp_path) == itself


def test_a_suite_that_is_declared_beside_the_tests_is_judged_where_it_is_asked(project):
    text = (project / "suites" / "test_look.py").read_text()
    cut = text.index("def test_look")
    (project / "suites" / "shared.py").write_text(text[:cut])
    asks = "from suites.shared import LOOK\n\n\ndef test_gate():\n    assert LOOK\n\n\n"
    (project / "suites" / "test_look.py").write_text(asks + text[cut:])
    (project / "suites" / "test_again.py").unlink()
    assert [name.split("::")[1] for name in gates(project)] == [
        "test_gate_of_claims[plain-mini-look-words]", "test_gate_of_claims[plain-mini-look-nonempty]",
    ]  # fmt: skip


def test_tasks_that_no_test_measures_by_are_told(project):
    _, output = run_session(project, "--collect-only", "-q", "--tasks", "arc_easy")
    assert "note: no test takes `task`, so nothing is measured by " in output


TASK_TEST = '"""Tasks of lm-eval."""\n\n\ndef test_task(checkpoint, evaluate, task):\n    assert evaluate(task, checkpoint).scored\n'


def test_a_claim_about_a_task_of_the_projects_settings_is_judged_without_naming_it_again(project):
    recipe, settings = project / "recipes" / "tiny.py", project / "pyproject.toml"
    recipe.write_text(recipe.read_text().replace("claims=[", 'claims=[Claim("arc_easy", "acc", above=0.3), '))
    _, output = run_session(project, "--collect-only", "-q")
    assert "cannot be judged: the project has no suite 'arc_easy'" in output
    settings.write_text(settings.read_text() + '\n[tool.harness]\ntasks = "arc_easy"\n')
    _, output = run_session(project, "--collect-only", "-q")
    assert "note: no test takes `task`, so nothing is measured by arc_easy" in output
    (project / "suites" / "test_tasks.py").write_text(TASK_TEST)
    assert "suites/test_tasks.py::test_gate[plain-mini-arc_easy-acc]" in gates(project)
    _, output = run_session(project, "--collect-only", "-q", "-k", "test_look")
    assert "note: no test takes" not in output
