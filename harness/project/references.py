"""`base` and `untrained`: what a subject is compared with that has not been trained as it was.

Its base is the model that its training starts from, as it is. Untrained is its architecture with fresh weights. Both
exist by themselves. A recipe of that name declares some of them as subjects, to be measured by every suite; the others
are measured where a claim or a floor needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.recipe import Architecture, Fresh, Gguf, Recipe, Subject, Variant

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
    """
    declared = [one for one in recipes.get(name, ()) if _belongs(name, one, subject)]
    named = [one for one in declared if one.variant.name == subject.variant.name]
    if declared:
        return (named or declared)[0]
    return next((one for one in undeclared(name, recipes) if _belongs(name, one, subject)), None)


def undeclared(name: str, recipes: Mapping[str, Recipe]) -> list[Subject]:
    """Those that exist by themselves: one for each model that declared variants start from, at each scale."""
    declared = recipes.get(name)
    taken = {variant.name for variant in declared.variants} if declared else set()
    found: list[Variant] = []
    for recipe in recipes.values():
        for subject in recipe if recipe.name != name else ():
            start = REFERENCES[name].start(subject)
            known = [*(declared or ()), *(Subject(recipe, variant) for variant in found)]
            if start is None or any(_belongs(name, one, subject) for one in known):
                continue
            own = subject.variant.name
            free = own if own not in taken else f"{own}_{recipe.name}"
            taken.add(free)
            found.append(Variant(free, base=start, scale=subject.scale))
    return list(Recipe(name=name, variants=tuple(found), hypothesis=REFERENCES[name].about)) if found else []


def _belongs(name: str, one: Subject, subject: Subject) -> bool:
    variant = one.variant
    return not (variant.stages or one.scale != subject.scale) and REFERENCES[name].fits(one, subject)


def _base(subject: Subject) -> Start | None:
    base = subject.variant.base
    return None if isinstance(base, Architecture | Fresh) or not subject.stages else base


def _fresh(subject: Subject) -> Start | None:
    first = subject
    while isinstance(first.variant.base, Subject):
        first = first.variant.base
    base = first.variant.base
    if isinstance(base, Fresh):
        return base
    return Fresh(first if isinstance(base, Architecture) else base)


def _like(subject: Subject) -> str | Architecture | Gguf:
    """The model or shape that the subject, or the one it is trained from, starts from."""
    base = subject.variant.base
    while not isinstance(base, str | Architecture | Gguf):
        base = base.like if isinstance(base, Fresh) else base.variant.base
    return base


REFERENCES = {
    "base": Reference(
        "The model as it is, before any training here.", _base, lambda one, of: one.variant.base == of.variant.base
    ),
    "untrained": Reference(
        "The same architecture with fresh weights.",
        _fresh,
        lambda one, of: isinstance(one.variant.base, Fresh) and _like(one) == _like(of),
    ),
}
