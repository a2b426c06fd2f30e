"""Runs of one subject under different settings: what tells them apart, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

MOST_NAMED = 3  # settings in one name
LONGEST = 40  # characters of one value
NONE = "none"


def same(one: Any, other: Any) -> bool:
    """Whether two declarations of stages say the same, whichever fields an earlier harness did not have."""
    return not _changed(one, other)


def names(declared: Sequence[Any]) -> list[str]:
    """What each of several declarations is called, the newest first: '' for that one, which keeps its plain name.

    An older one is called by what differs from the newest: 'learning_rate 0.0005'.
    """
    labels: list[str] = []
    for place, one in enumerate(declared):
        label = ", ".join(f"{name} {_short(there)}" for name, there, _ in _changed(one, declared[0])[:MOST_NAMED])
        labels.append(label if label not in labels else f"{label}, {place} back")
    return labels


def change(there: Any, here: Any) -> str:
    """What changed from one declaration to the next: 'learning_rate 0.0005 → 0.001'; '' where nothing did."""
    return ", ".join(
        f"{name} {_short(before)} → {_short(now)}" for name, before, now in _changed(there, here)[:MOST_NAMED]
    )


def _changed(there: Any, here: Any) -> list[tuple[str, str, str]]:
    """(setting, its value there, its value here) of all in which two declarations of stages differ."""
    stages = [one if isinstance(one, list) else [one] for one in (there, here)]
    if any(isinstance(stage, dict) and isinstance(stage.get("data"), list) for one in stages for stage in one):
        stages = [[_by_names(stage) for stage in one] for one in stages]
    if len(stages[0]) != len(stages[1]):
        return [("stages", _named(stages[0]), _named(stages[1]))]
    before, now = (dict(_leaves(one[0] if len(one) == 1 else one)) for one in stages)
    both = [*before, *(name for name in now if name not in before)]
    found = [(name, before.get(name, NONE), now.get(name, NONE)) for name in both]
    return [one for one in found if one[1] != one[2]]


def _by_names(stage: Any) -> Any:
    """A stage as an earlier harness recorded it: datasets by name alone, without its base and its held-out rows."""
    if not isinstance(stage, dict):
        return stage
    kept = {name: value for name, value in stage.items() if name not in ("base", "held_out")}
    if isinstance(kept.get("data"), dict):
        kept["data"] = [name for name in kept["data"] if name != "held out of them"]
    return kept


def _named(stages: Sequence[Any]) -> str:
    """'pretrain, finetune', by what each stage does."""
    return ", ".join(str(one.get("stage", "stage")) if isinstance(one, dict) else "stage" for one in stages) or NONE


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each setting by the path of its names, with its value as text; lists count from 1, and empty ones are none."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for name, inner in items:
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif value is not None:
        yield path, str(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
