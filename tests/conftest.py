"""A bench over a project without models, for the tests of what is judged on evaluations written by hand."""

import sys

import pytest

from harness.bench import Bench
from harness.options import Options
from harness.store import Store
from tests.hand_made import SUITES


@pytest.fixture(scope="module")
def hand_made_project(tmp_path_factory):
    root, path = tmp_path_factory.mktemp("project"), sys.path[:]
    for folder in ("recipes", "suites"):
        (root / folder).mkdir()
    (root / "suites" / "test_hand_made_suites.py").write_text(SUITES)
    yield root
    sys.path[:] = path
    sys.modules.pop("suites.test_hand_made_suites", None)


@pytest.fixture
def bench(hand_made_project, tmp_path):
    return Bench(hand_made_project, Store(tmp_path / "store"), Options("mini", train=False))
