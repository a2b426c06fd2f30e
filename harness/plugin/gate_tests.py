"""Claims become tests of the file that declares the suite they are about, unless a test of the project takes `verdict`."""

from __future__ import annotations

import ast
import re
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
                taken = test_gate.__name__ in vars(module)  # by a test of the file's own, of something else
                vars(module)[f"{test_gate.__name__}_of_claims" if taken else test_gate.__name__] = test_gate
        except HarnessError as error:
            raise self.CollectError(error.message) from None
        return module


def judges_by_itself(root: Path) -> bool:
    """Whether some file of `suites/` has a test that takes `verdict`; then that test decides which claims are judged."""
    return any("verdict" in names for path in (root / "suites").glob("[!.]*.py") for names in _taken_by_tests(path))


def gates_of_file(gates: DeclaredGates, module: ModuleType) -> list[Gate]:
    """The gates about the suites that a file declares; about lm-eval's tasks, where its tests ask for those."""
    own = {suite.name for suite in gates.project.suites_of(module)}
    if any(isinstance(one, FunctionType) and "task" in _arguments(one) for one in vars(module).values()):
        own |= {task.name for task in gates.project.task_suites}
    first = next(iter(gates.project.suites), None)  # ratings are of no suite's file, and judged with the first one's
    return [gate for gate in gates.of_all(gates.project.subjects()) if (gate.suites or (first,))[0] in own]


def _arguments(function: FunctionType) -> tuple[str, ...]:
    return function.__code__.co_varnames[: function.__code__.co_argcount]


def _taken_by_tests(path: Path) -> list[list[str]]:
    """What each test of a file takes from fixtures of others: its arguments, but those that the file fills itself.

    None where the file is not valid Python, which collecting it will report.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    own = [one.name for one in functions if any("fixture" in ast.unparse(mark) for mark in one.decorator_list)]
    return [
        [argument.arg for argument in test.args.args if argument.arg not in own and not _is_filled(argument.arg, test)]
        for test in functions
        if test.name.startswith("test")
    ]


def _is_filled(argument: str, test: ast.FunctionDef) -> bool:
    """Whether a mark of the test, such as parametrize, names the argument."""
    return any(re.search(rf"\b{argument}\b", ast.unparse(mark)) for mark in test.decorator_list)
