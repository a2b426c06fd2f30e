"""One model for the tests of the engine and of what asks it."""

import pytest


@pytest.fixture(scope="session")
def model_at(tmp_path_factory):
    """A two-layer model with random weights, large enough to have opinions, and a byte-level tokenizer."""
    pytest.importorskip("torch")
    from tests.tiny_models import saved_llama

    return saved_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def engine(model_at):
    from harness.models.answering.engine import Engine

    return Engine(model_at, "cpu", "float32")
