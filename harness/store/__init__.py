"""All that is kept: artifacts by content address, baselines by name, the rows of each session."""

from harness.store.artifacts import KINDS, Artifact, Kind, Store, open_store
from harness.store.locks import Holder

__all__ = ["KINDS", "Artifact", "Holder", "Kind", "Store", "open_store"]
