"""What several test files stand on: a project whose evaluations are written by hand, a training, a bucket, a browser."""

import shutil
import sys

import pytest

from benchmarks import loopback
from harness.store import Store
from tests.hand_made import SUITES, HandMade


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
def made(hand_made_project, tmp_path):
    return HandMade(hand_made_project, Store(tmp_path / "store"))


@pytest.fixture
def projects_apart():
    """Whatever `recipes`, `suites` and `reports` this process knows is forgotten for the length of the test."""

    def declared():
        return [name for name in sys.modules if name.split(".")[0] in ("recipes", "suites", "reports")]

    held, path = {name: sys.modules.pop(name) for name in declared()}, sys.path[:]
    yield
    for name in declared():
        del sys.modules[name]
    sys.modules.update(held)
    sys.path[:] = path


@pytest.fixture(scope="session")
def chromium():
    """Debian's browser, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def s3_server():
    """The address of an S3 server on loopback."""
    pytest.importorskip("moto.server", reason="moto is not installed")
    with loopback.s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path_factory):
    """The URL of a store in a new bucket; whoever runs in this environment reaches it."""
    for name, value in {**loopback.CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    return loopback.new_bucket(s3_server)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """The folder of a training that nobody disturbed, with what it made; only to be read."""
    pytest.importorskip("trl")
    from tests.training_tasks import SETTINGS, finish, log_of, write_task

    folder = write_task(tmp_path_factory.mktemp("pretrained"), "whole", SETTINGS)
    assert finish(folder) == 0, log_of(folder)
    return folder
