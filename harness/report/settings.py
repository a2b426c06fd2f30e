"""Runs of one subject under different settings: what tells them apart, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

MOST_NAMED = 3  # settings in one name
LONGEST = 40  # characters of one value


def names(declared: Sequence[Any]) -> list[str]:
    """What each declaration of one subject is called, the newest first: '' for that one, which keeps its plain name.

    An older one is called by what differs from the newest: 'learning_rate 0.0005'.
    """
    labels = [", ".join(f"{name} {there}" for name, there, _ in _changed(one, declared[0])) for one in declared]
    twice = [label in labels[:place] for place, label in enumerate(labels)]
    return [
        f"{label}, {place} back" if again else label
        for place, (label, again) in enumerate(zip(labels, twice, strict=True))
    ]


def change(there: Any, here: Any) -> str:
    """What changed from one declaration to the next: 'learning_rate 0.0005 → 0.001'; '' where nothing did."""
    return ", ".join(f"{name} {before} → {now}" for name, before, now in _changed(there, here))


def _changed(there: Any, here: Any) -> list[tuple[str, str, str]]:
    """(setting, its value there, its value here) of the first settings in which two declarations of stages differ."""
    before, now = dict(_leaves(_only(there))), dict(_leaves(_only(here)))
    both = [*before, *(name for name in now if name not in before)]
    found = [(name, before.get(name, "none"), now.get(name, "none")) for name in both]
    return [one for one in found if one[1] != one[2]][:MOST_NAMED]


def _only(declared: Any) -> Any:
    """The single stage, where there is one."""
    return declared[0] if isinstance(declared, list) and len(declared) == 1 else declared


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each setting by the path of its names, with its value as text; lists count from 1."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for name, inner in items:
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    else:
        text = "none" if value is None else str(value)
        yield path, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
