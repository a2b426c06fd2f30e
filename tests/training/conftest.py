"""One pretraining for all tests of the training worker."""

import pytest


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """The folder of a training that nobody disturbed, with what it made; only to be read."""
    pytest.importorskip("trl")
    from tests.training_tasks import SETTINGS, finish, log_of, write_task

    folder = write_task(tmp_path_factory.mktemp("pretrained"), "whole", SETTINGS)
    assert finish(folder) == 0, log_of(folder)
    return folder


@pytest.fixture(scope="session")
def base_at(pretrained):
    """The place of what it made."""
    from harness.worker.places import Directory

    return Directory(str(pretrained / "made"))
