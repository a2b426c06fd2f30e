"""Where a model's weights are, as a plain value. By key, so that any machine with the same store can load them."""

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
    """A folder that transformers can load."""

    path: str


@dataclass(frozen=True)
class GgufFile:
    """A model in one file, which is imported before anything else can be done with it."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Served:
    """A model that a server answers for, by OpenAI's interface."""

    model: str
    url: str


@dataclass(frozen=True)
class Published:
    """A checkpoint in the store, by its fingerprint."""

    key: str


@dataclass(frozen=True)
class Adapted:
    """An adapter and the base that it changes."""

    adapter: Published | Directory
    base: Place


Place = HubModel | Directory | GgufFile | Served | Published | Adapted


def store_of(folder: Path) -> Path:
    """The store that a worker's folder is in: two levels above `checkpoints/KEY.partial` or `measuring/KEY`."""
    return folder.resolve().parents[1]


def keys_of(place: Place | None) -> list[str]:
    """Fingerprints of the checkpoints that are needed to load it."""
    if isinstance(place, Adapted):
        return [*keys_of(place.adapter), *keys_of(place.base)]
    return [place.key] if isinstance(place, Published) else []


def located(place: Place, store: Path) -> Place:
    """The same place, with each key replaced by its folder in the store."""
    if isinstance(place, Adapted):
        adapter = located(place.adapter, store)
        assert isinstance(adapter, Directory)
        return Adapted(adapter, located(place.base, store))
    if isinstance(place, Published):
        return Directory(str(store / "checkpoints" / place.key))
    return replace(place)


def whole_base(place: Place) -> Place:
    """The place of the base below all adapters; the place itself if it is not an adapter."""
    return whole_base(place.base) if isinstance(place, Adapted) else place


def name_of(place: Place) -> str:
    """The name to load the place by: a folder, or a hub id."""
    if isinstance(place, HubModel):
        return place.id
    assert isinstance(place, Directory), f"{place} is not located"
    return place.path
