"""What the pretraining made, for all tests of the training worker."""

import pytest


@pytest.fixture(scope="session")
def base_at(pretrained):
    """The place of what it made."""
    from harness.worker.places import Directory

    return Directory(str(pretrained / "made"))
