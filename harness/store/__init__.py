"""All that is kept: artifacts by content address, baselines by name, the rows of each session."""

from harness.store.artifacts import KINDS, Artifact, Kind, Store
from harness.store.locks import Holder
from harness.store.opening import open_store

__all__ = ["KINDS", "Artifact", "Holder", "Kind", "Store", "open_store"]
