"""Recipes taught one after another to the same weights: continual learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.claims import Claim
from harness.data.sources import Mix, Scale
from harness.errors import HarnessError, RecipeError, check_types
from harness.recipe.subject import Recipe, Subject, Variant
from harness.recipe.training import Finetune, Stage

CONTINUAL = "continual"  # part of every curriculum's name, so that `-k continual` finds it


@dataclass(frozen=True)
class Lesson:
    """What one recipe of a curriculum teaches, and how it is measured: by what the recipe's first claim is about."""

    recipe: Recipe

    @property
    def suite(self) -> str:
        """By which it is measured."""
        return self.recipe.claims[0].suite

    @property
    def metric(self) -> str:
        """Of that suite."""
        return self.recipe.claims[0].metric

    @property
    def rises(self) -> bool:
        """Whether more of it is what the recipe claims."""
        return self.recipe.claims[0].kind in ("higher_than", "no_lower_than", "above")


@dataclass(frozen=True, init=False)
class Curriculum:
    """Recipes taught one after another to the same weights: what is left of the first after the last?

        Curriculum("continual", [SOFTWARE_DEFECT, EVENTS_2025])
        Curriculum("continual_replay", [SOFTWARE_DEFECT, EVENTS_2025], replay=0.1)

    The first recipe is taught as it is declared, and its checkpoint is its own; each later one trains on from the weights
    of the one before, with its own rows and settings, as a recipe of its own (`continual_events_2025`). The chat template
    stays that of these weights, so that all are asked in the same form. With `replay` its rows have that share of every
    earlier recipe's rows among them (Robins 1995, Connection Science 7, 123-146). After each the suites of all are
    measured; each claims that no earlier recipe's score has got worse by `may_forget` or more since that was taught.
    Curricula are left out of a session unless `-k` or `-m` says "continual".
    """

    name: str
    lessons: tuple[Lesson, ...]
    replay: float
    may_forget: float
    variants: tuple[str, ...]

    def __init__(
        self, name: str, recipes: Sequence[Recipe], *, replay: float = 0.0, may_forget: float = 0.1, variants: Sequence[str] = ()
    ) -> None:  # fmt: skip
        who = f"Curriculum({name!r})"
        wrong = next((one for one in recipes if not isinstance(one, Recipe)), None)
        if wrong is not None:
            raise RecipeError(f"{who}: {wrong!r:.80} is no Recipe.")
        mute = next((one.name for one in recipes if not one.claims), None)
        if mute is not None:
            raise RecipeError(f"{who}: {mute} claims nothing, so it is not known by what it is measured.")
        even = next((one.name for one in recipes if one.claims[0].equals is not None), None)
        if even is not None:
            raise RecipeError(
                f"{who}: the first claim of {even} asks for one number, so it is not known which change is worse.",
                "Put a claim first that asks for more or for less than something.",
            )
        lessons = tuple(Lesson(one) for one in recipes)
        common = [name for name in _sizes(recipes) if not variants or name in variants]
        for attribute, value in {
            "name": name, "lessons": lessons, "replay": replay, "may_forget": may_forget, "variants": tuple(common),
        }.items():  # fmt: skip
            object.__setattr__(self, attribute, value)
        check_types(self, RecipeError)
        self._check(who, variants)

    def _check(self, who: str, variants: Sequence[str]) -> None:
        """Raise RecipeError for a curriculum that cannot be meant as it is."""
        names = [lesson.recipe.name for lesson in self.lessons]
        if CONTINUAL not in self.name or not self.name.isidentifier():
            raise RecipeError(f"{who}: its name is a Python name with {CONTINUAL!r} in it.")
        if len(names) < 2:
            raise RecipeError(f"{who}: it has {len(names)} recipes, and forgetting needs two.")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise RecipeError(f"{who}: {twice} is taught twice.", "What is taught again is not forgotten; drop one.")
        if not 0 <= self.replay < 1:
            raise RecipeError(f"{who}: replay is {self.replay:g}, and has to be a share of at least 0 and below 1.")
        if not self.may_forget > 0:
            raise RecipeError(f"{who}: may_forget is {self.may_forget:g}, and has to be positive.")
        missing = [name for name in variants if name not in self.variants]
        if missing or not self.variants:
            known = ", ".join(_sizes([lesson.recipe for lesson in self.lessons])) or "none"
            what = f"no variant {missing[0]!r} in common" if missing else "no variant of one name in common"
            raise RecipeError(f"{who}: its recipes have {what} (in common: {known}).")
        try:
            _ = self.recipes
        except HarnessError as error:
            raise RecipeError(f"{who}: {error.problem}", error.remedy) from None

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """The later lessons as recipes, in their order."""
        found: list[Recipe] = []
        for place in range(1, len(self.lessons)):
            lesson = self.lessons[place]
            found.append(
                Recipe(
                    name=f"{self.name}_{lesson.recipe.name}",
                    variants=tuple(self._variant(place, name, found) for name in self.variants),
                    claims=tuple(self._kept(earlier, self._taught(earlier, found).name) for earlier in range(place)),
                    suites=tuple(dict.fromkeys(one.suite for one in self.lessons)),
                    on_request=CONTINUAL,
                    hypothesis=f"{lesson.recipe.name} taught to the weights of {self._taught(place - 1, found).name}"
                    + (f", with {self.replay:.0%} of the rows before among its own." if self.replay else "."),
                )
            )
        return tuple(found)

    def after(self, size: str) -> list[Subject]:
        """The weights after each lesson, at one size."""
        return [self._taught(place, self.recipes)[size] for place in range(len(self.lessons))]

    def _taught(self, place: int, later: Sequence[Recipe]) -> Recipe:
        """The recipe whose weights are those after a lesson."""
        return self.lessons[0].recipe if place == 0 else later[place - 1]

    def _kept(self, place: int, since: str) -> Claim:
        """That a lesson's score has not got worse since it was taught."""
        lesson = self.lessons[place]
        words = f"what {lesson.recipe.name} taught is kept: its {lesson.suite} {lesson.metric} stays within {self.may_forget:g}"
        kind = "no_lower_than" if lesson.rises else "no_higher_than"
        return Claim(lesson.suite, lesson.metric, margin=self.may_forget, words=words, **{kind: since})  # type: ignore[arg-type]

    def _variant(self, place: int, size: str, later: Sequence[Recipe]) -> Variant:
        own = self.lessons[place].recipe[size]
        stages = own.stages
        if len(stages) != len(own.declared) or not stages:
            raise RecipeError(f"{own.id} looks things up or trains nothing, and cannot be taught.")
        if self.replay:
            stages = (self._with_replay(place, size, stages[0]), *stages[1:])
        before = [stage for lesson in self.lessons[:place] for stage in lesson.recipe[size].stages]
        if any(isinstance(stage, Finetune) for stage in before):  # so that the weights have a template
            stages = tuple(replace(one, template="base") if isinstance(one, Finetune) else one for one in stages)
        return replace(own.variant, base=self._taught(place - 1, later)[size], stages=stages, published="")

    def _with_replay(self, place: int, size: str, stage: Stage) -> Stage:
        """The stage with a share of the rows that were taught before among its own."""
        earlier = [(lesson.recipe.name, lesson.recipe[size]) for lesson in self.lessons[:place]]
        shares = [self._share(name, before.data, of.scale) for name, of in earlier for before in of.stages]
        return replace(stage, data=stage.data.add(*shares))

    def _share(self, who: str, data: Mix, scale: Scale) -> Mix:
        """The first rows that a recipe trains on, as many as the share of their declared number."""
        declared = data.declared_rows(scale)
        if declared is None or data.taken is not None:
            raise RecipeError(
                f"replay: {who} does not declare how many rows it trains on, or takes a part of them.",
                "Give every dataset a number of rows: rows(mini=N).",
            )
        return data.take(math.ceil(declared * self.replay))


def _sizes(recipes: Sequence[Recipe]) -> list[str]:
    """Names of the variants that all recipes have."""
    names = [[variant.name for variant in recipe.variants] for recipe in recipes]
    return [name for name in names[0] if all(name in of for of in names)] if names else []
