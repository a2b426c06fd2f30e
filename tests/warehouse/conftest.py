"""What every test of the warehouse stands on: a store with one checkpoint, two evaluations and a session."""

import pytest

from harness.store import Store
from tests.warehouse.alpha import OTHER_CHECKPOINT, add_checkpoint, add_evaluation, add_session


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    add_checkpoint(store)
    add_evaluation(store)
    add_evaluation(store, checkpoint=OTHER_CHECKPOINT, right=(0.0, 0.0, 1.0, 0.0))  # the same floors again
    add_session(store)
    return store
