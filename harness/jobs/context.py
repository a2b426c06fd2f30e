"""What every job works with (store, workers, rows), and where the weights are that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.data.reading.rows import Loaded
from harness.evaluation import Evaluation, StoredResults
from harness.evaluation.asking.rows import SuiteRows
from harness.files import Json, write_whole
from harness.fingerprint.checkpoints import ModelFolders, PlannedStage, adapted_base
from harness.fingerprint.evaluations import PlannedEvaluation
from harness.jobs.events import Listener, Note
from harness.jobs.fetch import cached
from harness.jobs.pool import WorkerPool
from harness.recipe import Endpoint, Fresh, Gguf, Retrieve
from harness.store import Store
from harness.worker.places import Adapted, Directory, GgufFile, HubModel, Place, Published, Served, keys_of, whole_base

# Whether --adaptive has seen enough of an evaluation's samples. The session decides, because it knows the gates.
Decided = Callable[[PlannedEvaluation, Evaluation], bool]


def never(planned: PlannedEvaluation, so_far: Evaluation) -> bool:
    """Every sample is asked."""
    return False


@dataclass(frozen=True)
class JobContext:
    """The store with its keys, the workers, the rows that were read, and whom to report to."""

    results: StoredResults
    pool: WorkerPool
    rows: SuiteRows
    report: Listener
    track: str | None = None  # a tracker to hand training logs to
    decided: Decided = never

    @property
    def store(self) -> Store:
        return self.results.store


def bring_weights(place: Place | None, store: Store) -> None:
    """Have the weights of a place on this machine."""
    store.bring([found for key in keys_of(place) if (found := store.get("checkpoints", key))], weights=True)


def place_of(planned: PlannedStage, folders: ModelFolders) -> Place:
    """Where a stage's weights are: by key, or in one of the folders where bases are looked for."""
    planned = planned.weights
    if not planned.is_made:
        return model_place(planned, folders)
    if planned.is_adapter:
        assert planned.parent is not None
        return Adapted(Published(planned.key), place_of(planned.parent, folders))
    return Published(planned.key)


def model_place(planned: PlannedStage, folders: ModelFolders) -> Place:
    """The hub model at its recorded revision, or the local directory or file, that a stage's spec names as its base."""
    base, declared = planned.spec["base"], planned.subject.variant.base
    fresh = isinstance(declared, Fresh)
    declared = declared.like if isinstance(declared, Fresh) else declared
    if isinstance(declared, Endpoint):
        return Served(declared.model, declared.url)
    if isinstance(declared, Gguf):
        return GgufFile(str(cached(declared) if declared.path is None else folders.of(declared.path)), base["gguf"])
    found = _place(base, str(declared), folders)
    return whole_base(found) if fresh else found


def embedder_place(planned: PlannedStage, folders: ModelFolders) -> Place:
    """Where the model is by which a stage finds passages: on the hub at its recorded revision, or in a folder."""
    assert isinstance(planned.lookup, Retrieve)
    assert planned.lookup.embeddings is not None
    return _place(planned.spec["embeddings"], planned.lookup.embeddings, folders)


def _place(base: Json, declared: str, folders: ModelFolders) -> Place:
    """A hub model, a folder, or an adapter's folder with the place of its base."""
    if "model" in base:
        return HubModel(base["model"], base["revision"])
    folder = folders.of(declared)
    if "adapter" not in base:
        return Directory(str(folder))
    return Adapted(Directory(str(folder)), _place(base["base"], str(adapted_base(folder)), folders))


def note_left_out(store: Path, report: Listener, who: str, loaded: Loaded) -> None:
    """Say how many rows were left out, and list them in the store's folder."""
    if not loaded.left_out:
        return
    folder = store / "left_out"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{who.replace(' ', '-').replace(':', '')}.txt"
    write_whole(path, "\n".join(loaded.left_out) + "\n")
    report(Note(f"{who}: {len(loaded.left_out):,} rows left out, listed in {path}"))
