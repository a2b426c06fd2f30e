"""The declarations of one session: a project's recipes and suites, at one scale, with so many training seeds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

from harness.data.sources import Scale
from harness.errors import HarnessError, RecipeError, SuiteError
from harness.project.command_line import model_recipe, task_suite
from harness.project.declared import load_curricula, load_recipes, load_suites, load_sweeps, suites_declared_in
from harness.project.references import REFERENCES, beside, undeclared
from harness.recipe import Curriculum, Recipe, Subject, Sweep
from harness.suite import Suite


@dataclass(frozen=True)
class Project:
    """Recipes and suites as declared. Nothing here knows what is stored or running."""

    root: Path
    recipes: dict[str, Recipe]  # those of sweeps too
    scale: Scale
    seeds: int = 1
    tasks: tuple[str, ...] = ()  # of lm-eval, as --tasks and the settings name them
    sweeps: dict[str, Sweep] = field(default_factory=dict)  # by name of its recipe
    curricula: dict[str, Curriculum] = field(default_factory=dict)
    asked: str = ""  # what the session selects by: recipes that are run on request are there if it holds their word

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """The project's suites by name; read on first use."""
        found = load_suites(self.root)
        for task in self.tasks:
            suite = task_suite(task)
            if found.setdefault(suite.name, suite) != suite:
                raise SuiteError(f"task {task}: its name {suite.name!r} is a suite's already.")
        for recipe in self.recipes.values():
            for name in recipe.suites:
                close = difflib.get_close_matches(name, found, n=1)
                if close and name not in found:  # else it may be a task of lm-eval, which other sessions name
                    raise RecipeError(
                        f"{recipe.name}: it is measured by the suite {name!r}, which does not exist.",
                        f"Did you mean {close[0]!r}?",
                    )
        return found

    def suite(self, name: str) -> Suite:
        """A suite by name; SuiteError where there is none."""
        if name not in self.suites:
            raise SuiteError(f"there is no suite {name!r} (suites: {', '.join(self.suites)}).")
        return self.suites[name]

    def suites_of(self, module: ModuleType) -> list[Suite]:
        """The suites that one of the project's files declares."""
        return suites_declared_in(module)

    @property
    def task_suites(self) -> list[Suite]:
        """The suites of these tasks."""
        return [self.suites[name] for name in dict.fromkeys(task_suite(task).name for task in self.tasks)]

    @property
    def names(self) -> list[str]:
        """What a test can ask for a checkpoint of: recipes, and the references that need no declaration."""
        return list(dict.fromkeys([*self.recipes, *REFERENCES]))

    def subjects(self) -> list[Subject]:
        """Every recipe's variants of the session's scale, each once per training seed; of those on request the ones asked for."""
        return [subject for recipe in self.recipes.values() if self._asks_for(recipe) for subject in self._of(recipe)]

    def _asks_for(self, recipe: Recipe) -> bool:
        """Whether it is run without being asked for, or its word stands in what the session selects by."""
        word = re.escape(recipe.on_request.lower())
        return not word or bool(re.search(rf"(?<![^\W_]){word}(?![^\W_])", self.asked))

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Recipes that are run on request and were not asked for, by the word that asks for them."""
        found: dict[str, list[str]] = {}
        for recipe in self.recipes.values():
            if not self._asks_for(recipe) and self._of(recipe):
                found.setdefault(recipe.on_request, []).append(recipe.name)
        return found

    def _of(self, recipe: Recipe) -> list[Subject]:
        return [seeded for subject in recipe if subject.scale == self.scale for seeded in self.seeds_of(subject)]

    def subject(self, recipe: str, variant: str, further: int = 0) -> Subject:
        """A subject by recipe and variant, with its own training seed or a further one; RecipeError where there is none."""
        if recipe not in self.recipes:
            raise RecipeError(f"there is no recipe {recipe!r} (recipes: {', '.join(self.recipes)}).")
        found = self.recipes[recipe][variant]
        return found.with_seed(found.seed + further) if further and found.stages else found

    def seeds_of(self, subject: Subject) -> list[Subject]:
        """The subject under every training seed of the session, its own first."""
        count = self.seeds if subject.stages else 1
        return [subject.with_seed(subject.seed + further) for further in range(count)]

    def other_side(self, subject: Subject, recipe: str) -> Subject | None:
        """The subject that a claim compares with, or None.

        `base` and `untrained` are of the same model and scale, whatever the variant's name; of another recipe it is the
        variant of the same name, under the same of the session's seeds.
        """
        if recipe in REFERENCES:
            return beside(subject, recipe, self.recipes)
        other = self.recipes.get(recipe)
        if other is None or subject.variant.name not in [variant.name for variant in other.variants]:
            return None
        further = subject.seed - subject.recipe[subject.variant.name].seed  # which of the session's seeds it is
        return self.subject(recipe, subject.variant.name, further)

    def pairs(self, one: str, other: str) -> list[tuple[Subject, Subject]]:
        """The subjects of two recipes, or two ids, that are compared with each other."""
        if one in REFERENCES and other not in REFERENCES:
            return [(reference, subject) for subject, reference in self.pairs(other, one)]
        if other in REFERENCES and one not in REFERENCES:
            sides = [(subject, self.other_side(subject, other)) for subject in self.named(one)]
            return [(subject, reference) for subject, reference in sides if reference is not None]
        others = self.named(other)
        return [(a, b) for a in self.named(one) for b in others if a.variant.name == b.variant.name]

    def everything(self) -> list[Subject]:
        """Every subject of every scale, with those that exist by themselves."""
        declared = [subject for recipe in self.recipes.values() for subject in recipe]
        return [*declared, *(one for name in REFERENCES for one in undeclared(name, self.recipes))]

    def named(self, name: str) -> list[Subject]:
        """Subjects by recipe ('wiki_only') or id ('wiki_only-mini'); HarnessError where there is none."""
        every = [subject for recipe in self.recipes.values() for subject in self._of(recipe)]
        found = [subject for subject in every if name in (subject.recipe.name, subject.id)]
        if not found:
            known = ", ".join(s.id for s in self.subjects())
            raise HarnessError(f"there is no recipe or variant {name!r} at {self.scale} scale (there: {known}).")
        return found

    def only(self, name: str) -> Subject:
        """The one subject that a recipe's or variant's name means; HarnessError where there is none, or there are several."""
        found = self.named(name)
        if len(found) > 1:
            raise HarnessError(
                f"{name!r} has {len(found)} variants at {self.scale} scale: {', '.join(s.id for s in found)}.",
                "Name one of them.",
            )
        return found[0]


def open_project(
    root: Path,
    scale: Scale,
    seeds: int = 1,
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    endpoint: str | None = None,
) -> Project:
    """The project at `root`, with the models and tasks that the command line adds."""
    recipes, sweeps, curricula = load_recipes(root), load_sweeps(root), load_curricula(root)
    made = [(sweep.name, sweep.recipe) for sweep in sweeps.values()]
    made += [(one.name, recipe) for one in curricula.values() for recipe in one.recipes]
    for of, recipe in made:
        if recipe.name in recipes:
            raise RecipeError(f"{of}: {recipe.name!r} is a recipe's name already.")
        recipes[recipe.name] = recipe
    for model in models:
        recipe = model_recipe(model, scale, endpoint)
        if recipe.name in recipes:
            raise RecipeError(f"--model {model}: its name {recipe.name!r} is a recipe's already.")
        recipes[recipe.name] = recipe
    for task in tasks:
        task_suite(task)  # a misspelt one fails here
    return Project(root, recipes, scale, seeds, tuple(tasks), sweeps, curricula)
