"""A gate: one claim, target or guarded metric of one subject; and all gates that a project declares."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.claims import RATING, Claim, Regression, Target
from harness.errors import RecipeError, SuiteError
from harness.project import REFERENCES, Project
from harness.recipe import Recipe, Subject
from harness.suite import Suite


@dataclass(frozen=True)
class Gate:
    """One claim, target or guarded metric of one subject."""

    subject: Subject  # with several training seeds the first
    claim: Claim | Target | Regression
    repeated: bool = False  # whether an earlier claim of the subject is about the same metric

    @property
    def id(self) -> str:
        """Names only the subject's own side, so that -k finds it there alone."""
        detail = f"-{self.detail}" if self.repeated or self.kind == "regression" else ""
        return f"{self.subject.id}-{self.claim.suite}-{self.claim.metric}{detail}"

    @property
    def kind(self) -> Literal["claim", "target", "regression"]:
        """What is claimed: something of the recipe's own, a score, or that nothing got worse."""
        if isinstance(self.claim, Regression):
            return "regression"
        return "claim" if isinstance(self.claim, Claim) else "target"

    @property
    def detail(self) -> str:
        """The kind of comparison, without the other side's name."""
        return self.claim.kind.removesuffix("_than") if isinstance(self.claim, Claim) else self.kind

    @property
    def references(self) -> tuple[str, ...]:
        """Recipes on the other side."""
        if isinstance(self.claim, Claim):
            return (self.claim.reference,) if self.claim.reference else ()
        if isinstance(self.claim, Target):
            return tuple(name for name in self.claim.above if name in REFERENCES)
        return ()

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites whose samples are judged, as one; none where people's ratings are."""
        if self.is_rating:
            return ()
        more = self.claim.together_with if isinstance(self.claim, Target) else ()
        return (self.claim.suite, *more)

    @property
    def is_rating(self) -> bool:
        """Whether it is about what people said."""
        return self.claim.suite == RATING

    @property
    def is_test(self) -> bool:
        """Whether chance can make it pass; `equals` holds on every sample or does not."""
        return not (isinstance(self.claim, Claim) and self.claim.equals is not None)


def gates_of(subject: Subject) -> list[Gate]:
    """The gates of a subject's own claims and targets, in the order declared, with ids that differ."""
    claims: list[Claim | Target] = [*subject.recipe.claims, *subject.recipe.targets]
    about = [(claim.suite, claim.metric) for claim in claims]
    gates = [Gate(subject, claim, about[i] in about[:i]) for i, claim in enumerate(claims)]
    names = [gate.id for gate in gates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SuiteError(f"gate {twice} is declared twice.", "Drop one, or make the claims differ in kind.")
    return gates


class Blessed(Protocol):
    """Evaluations that were kept under a name, for later ones to be compared with."""

    @property
    def name(self) -> str:
        """As `--baseline` says it."""

    @property
    def evaluations(self) -> Mapping[str, Mapping[str, str]]:
        """Subject -> suite -> key of the evaluation."""


@dataclass(frozen=True)
class DeclaredGates:
    """All gates of a project, with those of guarded metrics where the session compares with a baseline."""

    project: Project
    baseline: Blessed | None = None

    def of(self, subject: Subject) -> list[Gate]:
        """The gates of one subject."""
        return [*gates_of(subject), *self.regressions_of(subject)]

    def regressions_of(self, subject: Subject) -> list[Gate]:
        """The gates of all metrics that suites guard."""
        if self.baseline is None:
            return []
        return [
            Gate(subject, Regression(suite.name, g.metric, g.margin, g.may_rise is not None, self.baseline.name))
            for suite in self.project.suites.values()
            for g in suite.guards
            if suite.concerns(subject)
        ]

    def of_all(self, subjects: Iterable[Subject]) -> list[Gate]:
        """Every gate of the subjects; several training seeds of a recipe are judged as one."""
        first = [s for s in subjects if s.seed == s.recipe[s.variant.name].seed]
        return [gate for subject in first for gate in self.of(subject)]

    def check(self, subjects: Iterable[Subject]) -> list[str]:
        """Notes on claims that no session can judge as they are: about a suite that the project does not have, or a metric
        that its suite does not declare and that looks misspelt. RecipeError for a suite's name that looks misspelt.
        """
        notes, known = [], self.project.suites
        for gate in self.of_all(subjects):
            for name in gate.suites:
                if name not in known:
                    notes.append(self._without_suite(gate, name))
                    continue
                declared = [metric.name for metric in known[name].metrics]
                close = difflib.get_close_matches(gate.claim.metric, declared, n=1)
                if close and gate.claim.metric not in declared:
                    notes.append(f"note: {gate.id}: suite {name} declares no {gate.claim.metric!r}; {close[0]!r}?")
            if gate.claim.suite in known:
                self._check_sides(gate)
        return notes

    def _check_sides(self, gate: Gate) -> None:
        """Raise RecipeError where the gate's suite does not measure one of its sides."""
        own = [(self.project.suite(name), gate.subject) for name in gate.suites if name in self.project.suites]
        for suite, side in [*own, *self.other_sides(gate)]:
            if (side.lookup is not None or side.recipe.suites) and not suite.concerns(side):
                raise RecipeError(
                    f"{gate.subject.recipe.name}: a claim is about {suite.name} {gate.claim.metric} of {side.id}, "
                    f"and {suite.name} does not measure {side.recipe.name}.",
                    f"Claim something of a suite that does: {', '.join(side.recipe.suites) or 'one that asks questions'}.",
                )

    def _without_suite(self, gate: Gate, name: str) -> str:
        close = difflib.get_close_matches(name, self.project.suites, n=1)
        task = f'A task of lm-eval is named by --tasks {name}, or once for all in pyproject.toml: tasks = "{name}"'
        if close:
            raise RecipeError(
                f"{gate.subject.recipe.name}: a claim is about the suite {name!r}, which does not exist.",
                f"Did you mean {close[0]!r}? {task}",
            )
        there = f"it has {', '.join(self.project.suites)}" if self.project.suites else "it has none"
        return f"note: {gate.id} cannot be judged: the project has no suite {name!r} ({there}). {task}"

    def family(self, gate: Gate) -> list[Gate]:
        """The gates that are adjusted for together: chance could make any of them pass."""
        same = self.regressions_of(gate.subject) if gate.kind == "regression" else gates_of(gate.subject)
        return [one for one in same if one.is_test]

    def seeds_of(self, gate: Gate) -> list[Subject]:
        """The subject under every seed that the gate judges; a regression is judged of the first alone."""
        return [gate.subject] if gate.kind == "regression" else self.project.seeds_of(gate.subject)

    def own_sides(self, gate: Gate) -> list[tuple[Suite, Subject]]:
        """The evaluations of its own subject that a gate is about."""
        return [(self.project.suite(name), subject) for subject in self.seeds_of(gate) for name in gate.suites]

    def other_sides(self, gate: Gate) -> list[tuple[Suite, Subject]]:
        """The evaluations that a gate compares with."""
        if gate.is_rating:
            return []
        suite = self.project.suite(gate.claim.suite)
        found = [self.project.other_side(s, name) for s in self.seeds_of(gate) for name in gate.references]
        return [(suite, other) for other in found if other is not None]

    def on(self, suite: Suite, subject: Subject) -> list[Gate]:
        """The subject's gates on a suite."""
        return [gate for gate in self.of_all([subject]) if suite.name in gate.suites]

    def refer_to(self, recipe: Recipe, suite: Suite) -> bool:
        """Whether some recipe's claim compares with that recipe on the suite."""
        every = [gate for one in self.project.recipes.values() for gate in gates_of(Subject(one, one.variants[0]))]
        return any(recipe.name in gate.references and gate.claim.suite == suite.name for gate in every)
