"""Files outside of the store that a worker reads: folders and files of models, task files of lm-eval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from harness.fingerprint.task_files import files_reached
from harness.suite import Ask, LmEvalTask
from harness.worker.messages import MeasureRequest, NearestRequest, TrainingTask
from harness.worker.places import Adapted, Directory, GgufFile, Place, keys_of

Message = TrainingTask | MeasureRequest | NearestRequest


def place_in(message: Message) -> Place | None:
    """Where the weights are that the worker begins with."""
    return message.base if isinstance(message, TrainingTask) else message.model


def keys_in(message: Message) -> list[str]:
    """Fingerprints of the checkpoints that it loads."""
    return keys_of(place_in(message))


def files_in(message: Message) -> list[Path]:
    """All files outside of the store that it reads."""
    found: list[Path] = []
    for path in _paths(place_in(message)):
        found += sorted(file for file in (path, *path.rglob("*")) if file.is_file())
    for task in _tasks(message):
        found += files_reached(Path(task)).values()
    return list(dict.fromkeys(found))


def moved(message: Message, where: Callable[[Path], str]) -> Message:
    """The same message for a machine on which each of these paths is somewhere else."""
    if isinstance(message, TrainingTask):
        return replace(message, base=_moved(message.base, where))
    model = _moved(message.model, where)
    assert model is not None
    if isinstance(message, NearestRequest):
        return replace(message, model=model)
    suites = tuple(replace(suite, asks=tuple(_moved_ask(ask, where) for ask in suite.asks)) for suite in message.suites)
    return replace(message, model=model, suites=suites)


def _moved(place: Place | None, where: Callable[[Path], str]) -> Any:
    if isinstance(place, Adapted):
        return Adapted(_moved(place.adapter, where), _moved(place.base, where))
    return replace(place, path=where(Path(place.path))) if isinstance(place, Directory | GgufFile) else place


def _moved_ask(ask: Ask, where: Callable[[Path], str]) -> Ask:
    return replace(ask, task=where(Path(ask.task).resolve())) if _is_task_file(ask) else ask


def _paths(place: Place | None) -> list[Path]:
    if isinstance(place, Adapted):
        return [*_paths(place.adapter), *_paths(place.base)]
    return [Path(place.path)] if isinstance(place, Directory | GgufFile) else []


def _tasks(message: Message) -> list[str]:
    """Task files that suites are asked by."""
    if not isinstance(message, MeasureRequest):
        return []
    return [ask.task for suite in message.suites for ask in suite.asks if _is_task_file(ask)]


def _is_task_file(ask: Ask) -> TypeGuard[LmEvalTask]:
    return isinstance(ask, LmEvalTask) and Path(ask.task).is_file()
