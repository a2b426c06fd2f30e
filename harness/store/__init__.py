"""All that is written whole: artifacts by content address, baselines by name, what each session came to."""

from harness.store.artifacts import KINDS, Artifact, Holder, Kind, Store, open_store

__all__ = ["KINDS", "Artifact", "Holder", "Kind", "Store", "open_store"]
