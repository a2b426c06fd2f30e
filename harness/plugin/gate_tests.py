"""Claims become tests of the file that declares the suite they are about, unless a test of the project takes `verdict`."""

from __future__ import annotations

import ast
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.gates.gate import DeclaredGates, Gate
from harness.gates.verdict import Verdict


def test_gate(verdict: Verdict) -> None:
    """The claim holds."""
    assert verdict.passed, verdict.message


class SuiteModule(pytest.Module):
    """A file of `suites/` to which `test_gate` is added where there are claims about the suites that it declares."""

    gates: DeclaredGates

    def _getobj(self) -> Any:
        module = super()._getobj()
        try:
            if gates_of_file(self.gates, module):
                vars(module).setdefault(test_gate.__name__, test_gate)
        except HarnessError as error:
            raise self.CollectError(error.message) from None
        return module


def judges_by_itself(root: Path) -> bool:
    """Whether some file of `suites/` has a test that takes `verdict`; then that test decides which claims are judged."""
    return any("verdict" in names for path in (root / "suites").glob("*.py") for names in _taken_by_tests(path))


def gates_of_file(gates: DeclaredGates, module: ModuleType) -> list[Gate]:
    """The gates about the suites that a file declares; about lm-eval's tasks, where its tests ask for those."""
    own = {suite.name for suite in gates.project.suites_of(module)}
    if any(isinstance(one, FunctionType) and "task" in one.__code__.co_varnames for one in vars(module).values()):
        own |= {task.name for task in gates.project.task_suites}
    return [gate for gate in gates.of_all(gates.project.subjects()) if gate.suites[0] in own]


def _taken_by_tests(path: Path) -> list[list[str]]:
    """The arguments of each test in a file; none where it is not valid Python, which collecting it will report."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, ValueError):
        return []
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    return [[argument.arg for argument in test.args.args] for test in tests]
