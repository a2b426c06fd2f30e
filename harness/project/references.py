"""`base` and `untrained`: what a subject is compared with that has not been trained as it was.

Its base is the model that its training starts from, or that looks things up, as it is. Untrained is its architecture
with fresh weights. Both exist by themselves. A recipe of that name declares some of them as subjects, to be measured by every suite; the others
are measured where a claim or a floor needs them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeGuard

from harness.recipe import Architecture, Endpoint, Fresh, Gguf, Recipe, Subject, Variant

Start = str | Subject | Fresh | Gguf


@dataclass(frozen=True)
class Reference:
    """One of the two."""

    about: str
    start: Callable[[Subject], Start | None]  # what it starts from, for a subject; None where there is no such model
    fits: Callable[[Subject, Subject], bool]  # whether a subject is that of another


def beside(subject: Subject, name: str, recipes: Mapping[str, Recipe]) -> Subject | None:
    """The subject's `base` or `untrained`, of its own scale; None where it has none.

    One that is declared goes before one that exists by itself; of several the one whose variant has the same name.
    A base that is itself a recipe's variant, of that scale, is its own.
    """
    declared = [one for one in recipes.get(name, ()) if _belongs(name, one, subject)]
    named = [one for one in declared if one.variant.name == subject.variant.name]
    if declared:
        return (named or declared)[0]
    start = REFERENCES[name].start(subject)
    if _is_one(start, subject):
        return start
    return next((one for one in undeclared(name, recipes) if _starts(one.variant, start, subject)), None)


def undeclared(name: str, recipes: Mapping[str, Recipe]) -> list[Subject]:
    """Those that exist by themselves: one for each model that declared variants start from, at each scale.

    Their variants are named after that scale and model, so that a name stands for the same model whatever else the
    project declares.
    """
    declared = recipes.get(name, ())
    taken = {one.variant.name for one in declared}
    found: list[Variant] = []
    for subject in [subject for recipe in recipes.values() if recipe.name != name for subject in recipe]:
        start = REFERENCES[name].start(subject)
        known = [_belongs(name, one, subject) for one in declared] + [_starts(v, start, subject) for v in found]
        if start is None or _is_one(start, subject) or any(known):
            continue
        own = f"{subject.scale}_{_slug(start)}"
        free = own if own not in taken else f"{own}_{hashlib.sha256(repr(start).encode()).hexdigest()[:8]}"
        taken.add(free)
        found.append(Variant(free, base=start, scale=subject.scale))
    return list(Recipe(name=name, variants=tuple(found), hypothesis=REFERENCES[name].about)) if found else []


def _belongs(name: str, one: Subject, subject: Subject) -> bool:
    return not one.variant.stages and one.scale == subject.scale and REFERENCES[name].fits(one, subject)


def _is_one(start: Start | None, subject: Subject) -> TypeGuard[Subject]:
    """Whether what it starts from is declared by itself, as a variant of the subject's scale."""
    return isinstance(start, Subject) and start.scale == subject.scale


def _starts(variant: Variant, start: Start | None, subject: Subject) -> bool:
    return variant.scale == subject.scale and variant.base == start


def _slug(start: Start) -> str:
    """A model's name as part of a variant's: 'smollm2_135m_instruct'."""
    if isinstance(start, Fresh):
        return _slug(start.like)
    if isinstance(start, Subject):
        name = f"{start.recipe.name}_{start.variant.name}"
    elif isinstance(start, Gguf):
        name = PurePath(start.path or start.member or "").stem
    else:
        name = PurePath(start).name
    return re.sub(r"\W+", "_", name).strip("_").lower()


def _base_of(one: Subject, subject: Subject) -> bool:
    if not subject.declared:  # a model as it is: what else it is compared with goes by name
        return one.variant.name == subject.variant.name
    return one.variant.base == subject.variant.base


def _base(subject: Subject) -> Start | None:
    base = subject.variant.base
    return None if isinstance(base, Architecture | Fresh | Endpoint) or not subject.declared else base


def _fresh(subject: Subject) -> Start | None:
    first = subject
    while isinstance(first.variant.base, Subject):
        first = first.variant.base
    base = first.variant.base
    if isinstance(base, Fresh):
        return base
    if isinstance(base, Endpoint):  # its architecture is not known
        return None
    return Fresh(first if isinstance(base, Architecture) else base)


def _like(subject: Subject) -> str | Architecture | Gguf | Endpoint:
    """The model or shape that the subject, or the one it is trained from, starts from."""
    base = subject.variant.base
    while not isinstance(base, str | Architecture | Gguf | Endpoint):
        base = base.like if isinstance(base, Fresh) else base.variant.base
    return base


REFERENCES = {
    "base": Reference("The model as it is, before any training here.", _base, _base_of),
    "untrained": Reference(
        "The same architecture with fresh weights.",
        _fresh,
        lambda one, of: isinstance(one.variant.base, Fresh) and _like(one) == _like(of),
    ),
}
