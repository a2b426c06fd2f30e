"""One stored checkpoint, picked by name, and where its weights are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import DeviceError
from harness.evaluation import Checkpoint, StoredResults
from harness.jobs.context import bring_weights, place_of
from harness.jobs.devices import parse
from harness.worker.places import Directory, Place, Published, located


@dataclass(frozen=True)
class Trained:
    """A stored checkpoint."""

    checkpoint: Checkpoint
    results: StoredResults

    @property
    def name(self) -> str:
        return self.checkpoint.name

    @property
    def is_adapter(self) -> bool:
        return self.checkpoint.planned.is_adapter

    @property
    def folder(self) -> Path:
        """The checkpoint's files, weights among them."""
        assert self.checkpoint.path is not None
        bring_weights(Published(self.checkpoint.planned.key), self.results.store)
        return self.checkpoint.path

    @property
    def place(self) -> Place:
        """Where its weights are on this machine."""
        return self._located(place_of(self.checkpoint.planned, self.results.keys.folders))

    @property
    def base(self) -> Place:
        """Where an adapter's base is."""
        assert self.checkpoint.planned.parent is not None
        return self._located(place_of(self.checkpoint.planned.parent, self.results.keys.folders))

    def _located(self, place: Place) -> Place:
        bring_weights(place, self.results.store)
        found = located(place, self.results.store.root)
        return Directory(str(Path(found.path).resolve())) if isinstance(found, Directory) else found


def one_device(gpu: str | None) -> str:
    """The device that `--gpu` names; DeviceError where it names several, or one that is not there."""
    found = parse(gpu)
    if len(found) > 1:
        raise DeviceError(f"--gpu {gpu}: {len(found)} devices, and this takes one.", "Write --gpu 0.")
    return found[0]
