"""Datasets and models on the Hugging Face hub, read at the revisions that a committed lock file records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.data.sources import Hub, Row
from harness.errors import DataError
from harness.files import write_whole


def revision(kind: Literal["dataset", "model"], name: str, lock_file: Path | None) -> str | None:
    """The recorded commit of a hub repository; None if none is recorded yet."""
    if lock_file is None or not lock_file.exists():
        return None
    try:
        recorded = json.loads(lock_file.read_text())[f"{kind}s"].get(name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{lock_file} is not a lock file of hub revisions.", "Restore it from version control."
        ) from None
    return None if recorded is None else str(recorded)


def resolve(kind: Literal["dataset", "model"], name: str, lock_file: Path | None) -> str:
    """The recorded commit of a hub repository. If none is recorded, asks the hub for the newest and records it.

    Raises DataError if none is recorded and the hub does not give one.
    """
    known = revision(kind, name, lock_file)
    if known:
        return known
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        sha = (api.dataset_info(name) if kind == "dataset" else api.model_info(name)).sha
    except Exception as error:  # the hub's client passes on whatever its HTTP library raises
        raise DataError(
            f"{kind} {name}: no revision is recorded, and the hub gives none ({type(error).__name__}).",
            "Run once with the network (and access to the repository) to record it"
            + (", or put the rows below --data-root." if kind == "dataset" else ", or name a local directory."),
        ) from None
    if not sha:
        raise DataError(f"{kind} {name}: the hub names no revision of it.", "Is the repository empty?")
    if lock_file is not None:
        locked = json.loads(lock_file.read_text()) if lock_file.exists() else {"datasets": {}, "models": {}}
        locked[f"{kind}s"][name] = sha
        write_whole(lock_file, json.dumps(locked, indent=2, sort_keys=True) + "\n")
    return str(sha)


def check_access(model: str, revision: str | None) -> None:
    """Raise DataError where the hub would not give this user the model's files. No question is asked of what is cached.

    Says nothing where the hub cannot be asked: the worker that needs the files then says what is missing.
    """
    if find_spec("huggingface_hub") is None:
        return  # training and measuring need more that is not installed, which is said before anything runs
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        return
    try:
        HfApi().auth_check(model)
    except GatedRepoError:
        raise DataError(
            f"model {model}: its files are given only to users who have accepted its licence.",
            f"Accept it at https://huggingface.co/{model}, then log in here: hf auth login",
        ) from None
    except RepositoryNotFoundError:
        raise DataError(
            f"model {model}: the hub has no such model, or does not show it to you.",
            "Check the name; for a private model, log in: hf auth login",
        ) from None
    except Exception:  # no network, and whatever else the client's HTTP library raises
        return


def rows(source: Hub, what: str, lock_file: Path | None) -> Iterator[tuple[str, Row]]:
    """Place ("id:split[index]") and row, for each row of a hub dataset at its recorded revision."""
    sha = resolve("dataset", source.id, lock_file)
    from datasets import load_dataset

    try:
        dataset = load_dataset(source.id, source.config, split=source.split, revision=sha)
    except (OSError, ValueError) as error:
        raise DataError(
            f"dataset {what}: {source} at revision {sha[:8]} cannot be loaded: {error}",
            f"Put its rows at {source.local} below --data-root.",
        ) from None
    for index, row in enumerate(dataset):
        yield f"{source}[{index}]", row
