"""What can go wrong on the road, one class per kind.

Every message says which thing, what is wrong with both values, and on an indented second line what to do.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class HarnessError(Exception):
    """A mistake in the input or the environment, explained in one paragraph; never a bug of the harness."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem + (f"\n    {remedy}" if remedy else ""))
        self.problem = problem
        self.remedy = remedy

    @property
    def message(self) -> str:
        """What a user reads: the kind of error, the problem, the remedy."""
        return f"{type(self).__name__}: {self}"


class RecipeError(HarnessError):
    """A recipe, variant, stage or claim that cannot mean anything."""


class SuiteError(HarnessError):
    """A suite or sample that cannot be measured."""


class ReportError(HarnessError):
    """A report or section that cannot be shown."""


class DataError(HarnessError):
    """A data file or row that cannot be used."""


class DeviceError(HarnessError):
    """A device that was asked for and is not there, or that cannot do what is asked of it."""


class StoreError(HarnessError):
    """An artifact that is damaged, locked or cannot be written."""


class CheckpointMissing(HarnessError):
    """A checkpoint that would have to be trained, in a session that must not train."""


class EvaluationMissing(HarnessError):
    """An evaluation that would have to be run, in a session that must not run it."""


class EndpointError(HarnessError):
    """A server that does not answer, or not as it should; `status` is what it answered, where it did."""

    def __init__(self, problem: str, remedy: str = "", status: int | None = None) -> None:
        super().__init__(problem, remedy)
        self.status = status


class NotOffered(HarnessError):
    """What a suite asks of a server that does not offer it."""


class Spared(HarnessError):
    """A training that --adaptive stopped early, because others of its sweep are better."""


class WorkerFailed(HarnessError):
    """A training or model worker that ended without its result."""


class TrainingDiverged(HarnessError):
    """A loss or a gradient that is not finite."""


class WarehouseError(HarnessError):
    """A results file that cannot be read or written."""


class StatisticsError(HarnessError):
    """Scores from which no interval can be computed."""


# ---- declared values ----------------------------------------------------------------------------------


def check_types(declared: Any, error: type[HarnessError]) -> None:
    """Raise the error where a field of a dataclass holds a value of another type than it is declared with.

    Sequences may be lists where tuples are declared; a whole number is a number, True is none.
    """
    kind: Any = type(declared)
    for name, hint in _hints(kind).items():
        value = getattr(declared, name)
        if not _fits(value, hint):
            who = kind.__name__ + (f" {own!r}" if isinstance(own := getattr(declared, "name", None), str) else "")
            if get_origin(hint) is Literal:
                raise error(f"{who}: {name} {value!r} is none of {', '.join(map(str, get_args(hint)))}.")
            raise error(f"{who}: {name} is {_shown(value)}, and has to be {_in_words(hint)}.")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if hint is Any:
        return True
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if hint in (int, float):
        return isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
    if origin in (tuple, Sequence):
        fixed = (
            len(inner) if origin is tuple and inner[-1] is not Ellipsis else None
        )  # how many, where that is declared
        counted = isinstance(value, tuple | list) and fixed in (None, len(value))
        each = inner if fixed is not None else inner[:1] * len(value) if counted else ()
        return counted and all(_fits(one, own) for one, own in zip(value, each, strict=True))
    if origin is Mapping:
        return isinstance(value, Mapping)
    if origin is Callable:
        return callable(value)
    return not isinstance(hint, type) or isinstance(value, hint)


def _in_words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(one) for one in inner if one is not type(None))
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (tuple, Sequence):
        count = f" of {len(inner)}" if origin is tuple and inner[-1] is not Ellipsis else ""
        return f"a list{count}, each item {_in_words(inner[0])}"
    known = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}
    if origin is Callable:
        return "a function"
    if hint in known or origin is Mapping:
        return known.get(hint, "a mapping")
    kinds = hint.__subclasses__() or [hint]  # of a base class, those that can be written
    return " or ".join(f"{'an' if one.__name__[0] in 'AEIOU' else 'a'} {one.__name__}" for one in kinds)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"the {type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
