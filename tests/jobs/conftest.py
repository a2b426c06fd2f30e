"""Workers for the tests of those who start them."""

import pytest

from tests.worker_modules import write_worker


@pytest.fixture
def worker_module(tmp_path, monkeypatch):
    """The name of a worker's module that any child process can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return write_worker(tmp_path)


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """Where a model lies, and two adapters over it."""
    pytest.importorskip("peft")
    from tests.tiny_models import saved_adapter, saved_llama

    folder = tmp_path_factory.mktemp("places")
    at = saved_llama(folder / "base", larger=1)
    return {"base": at, "one": saved_adapter(folder / "one", at, 4), "two": saved_adapter(folder / "two", at, 2)}
