"""Where a model's weights are, as a plain value: by key, so that any machine with the same store can load them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class HubModel:
    """A model on the Hugging Face hub."""

    id: str
    revision: str | None


@dataclass(frozen=True)
class Directory:
    """A folder that transformers loads."""

    path: str


@dataclass(frozen=True)
class Published:
    """A checkpoint of the store, by its fingerprint."""

    key: str


@dataclass(frozen=True)
class Adapted:
    """An adapter over its base."""

    adapter: Published | Directory
    base: Place


Place = HubModel | Directory | Published | Adapted


def store_of(folder: Path) -> Path:
    """The store that a worker's folder lies in: two levels up, from `checkpoints/KEY.partial` or `measuring/KEY`."""
    return folder.resolve().parents[1]


def located(place: Place, store: Path) -> Place:
    """The same place with folders instead of keys."""
    if isinstance(place, Adapted):
        adapter = located(place.adapter, store)
        assert isinstance(adapter, Directory)
        return Adapted(adapter, located(place.base, store))
    if isinstance(place, Published):
        return Directory(str(store / "checkpoints" / place.key))
    return replace(place)


def whole_base(place: Place) -> Place:
    """The place of the whole weights below any adapter."""
    return whole_base(place.base) if isinstance(place, Adapted) else place


def name_of(place: Place) -> str:
    """How a library names what is there: a folder, or a hub id."""
    if isinstance(place, HubModel):
        return place.id
    assert isinstance(place, Directory), f"{place} is not located"
    return place.path
