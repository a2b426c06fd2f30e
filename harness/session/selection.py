"""What the selected tests of a session will ask for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.gates.gate import Gate
from harness.project import REFERENCES, Project
from harness.recipe import Endpoint, Subject
from harness.session.setup import Setup
from harness.suite import Suite


@dataclass
class Selection:
    """Checkpoints, evaluations and verdicts that tests ask for, by their parameters and the suites they name."""

    subjects: list[Subject] = field(default_factory=list)
    evaluations: list[tuple[Suite, Subject]] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)

    def add(self, parameters: Mapping[str, Any], named: Callable[[], list[Suite]]) -> None:
        """Add one test by its parameters; `named` gives the suites that its code names, if it asks for a checkpoint."""
        if isinstance(parameters.get("verdict"), Gate):
            self.gates.append(parameters["verdict"])
            return
        subjects = [value for value in parameters.values() if isinstance(value, Subject)]
        suites = [value for value in parameters.values() if isinstance(value, Suite)]
        if subjects:
            suites += named()
        self.subjects += subjects
        concerned = [(suite, subject) for suite in suites for subject in subjects]
        self.evaluations += [(suite, subject) for suite, subject in concerned if not beyond(suite, subject)]

    def __bool__(self) -> bool:
        return bool(self.subjects or self.evaluations or self.gates)


def beyond(suite: Suite, subject: Subject) -> bool:
    """Whether a suite that a test asks for by name does not measure the subject: it asks for more than questions, the
    subject's recipe names other suites, or claims nothing of one that measures only those that do.
    """
    questions_alone = isinstance(subject.variant.base, Endpoint) or subject.lookup is not None
    chosen = questions_alone or bool(subject.recipe.suites) or suite.only_if_claimed
    return chosen and not suite.concerns(subject)


def measures_nothing(parameters: Mapping[str, Any]) -> bool:
    """Whether a test asks for suites by its parameters, and the recipe of a subject among them names none of these."""
    suites = {value.name for value in parameters.values() if isinstance(value, Suite)}
    named = [set(value.recipe.suites) for value in parameters.values() if isinstance(value, Subject)]
    return bool(suites) and any(own and not own & suites for own in named)


def marks_of(parameters: Mapping[str, Any]) -> set[str]:
    """The marks of a test: `gate` where it judges one, and the words by which its recipes are asked for."""
    subjects = [one.subject if isinstance(one, Gate) else one for one in parameters.values()]
    words = {one.recipe.on_request for one in subjects if isinstance(one, Subject)} - {""}
    return words | ({"gate"} if isinstance(parameters.get("verdict"), Gate) else set())


def why_beyond(suite: Suite, subject: Subject) -> str:
    """Why the suite does not measure the subject, in words."""
    if subject.recipe.suites and suite.name not in subject.recipe.suites:
        return f"its recipe names {', '.join(subject.recipe.suites)}"
    if suite.only_if_claimed and suite.name not in subject.recipe.named_suites:
        return "it measures those recipes alone that claim something of it, or name it in suites="
    if subject.lookup is not None:
        return "it looks things up, and can only be asked questions"
    return "it needs a model's weights, and that is a server's"


def notes_on(setup: Setup, collected: Selection, takes_task: bool, judges: bool) -> list[str]:
    """Notes on what is asked for and no collected test does: to measure by tasks of lm-eval, and to judge claims about
    suites that are measured by. `takes_task`: some test takes `task`; `judges`: a test of the project takes `verdict`.
    """
    notes = []
    tasks = setup.options.tasks
    if (
        tasks
        and not takes_task
        and collected.subjects
        and (" --tasks " in setup.options.typed or not _asks_tasks(setup.root))
    ):
        notes.append(
            f"note: no test takes `task`, so nothing is measured by {', '.join(tasks)}; add one: harness add suite tasks"
        )
    asked = {suite.name for suite, _ in collected.evaluations}
    judged = {gate.id for gate in collected.gates}
    own = {subject.id: subject for subject in collected.subjects}.values()
    left = [one for one in setup.gates.of_all(own) if one.suites[0] in asked and one.id not in judged]
    if left and not judges:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        notes.append(f"note: no test judges {left[0].id}{more}: declare the suite in the file of suites/ that asks it")
    return notes


def _asks_tasks(root: Path) -> bool:
    """Whether a file of suites/ has a test that takes `task`, collected or not."""
    files = (root / "suites").glob("**/test_*.py")
    return any(re.search(r"def test_\w*\([^)]*\btask\b", file.read_text("utf-8", "replace")) for file in files)


def suites_named(function: Callable[..., Any], module: ModuleType) -> list[Suite]:
    """The suites that a test function's code names."""
    found = [getattr(module, name, None) for name in function.__code__.co_names]
    return [value for value in found if isinstance(value, Suite)]


def subjects_for(project: Project, suites: Iterable[Suite]) -> list[Subject]:
    """The subjects that all of a test's suites concern."""
    suites = list(suites)
    return [subject for subject in project.subjects() if all(suite.concerns(subject) for suite in suites)]


def paired_by_variant(project: Project, recipes: list[str]) -> dict[str, tuple[Subject, ...]]:
    """For a test of several recipes: variant -> their subjects of that variant and seed, in the order of `recipes`.

    `base` and `untrained` are those of the first of the other recipes, as in a claim.
    """
    by_recipe: dict[str, dict[str, Subject]] = {name: {} for name in recipes}
    for subject in project.subjects():
        if subject.recipe.name in by_recipe:
            by_recipe[subject.recipe.name][subject.id.removeprefix(f"{subject.recipe.name}-")] = subject
    first = next((name for name in recipes if name not in REFERENCES), None)
    for name in [name for name in recipes if name in REFERENCES and first is not None]:
        sides = {variant: project.other_side(subject, name) for variant, subject in by_recipe[first or ""].items()}
        by_recipe[name] = {variant: side for variant, side in sides.items() if side is not None}
    shared = [name for name in by_recipe[first or recipes[0]] if all(name in found for found in by_recipe.values())]
    return {variant: tuple(by_recipe[name][variant] for name in recipes) for variant in shared}


def misspelt_words(expression: str, names: Iterable[str], project: Project) -> list[str]:
    """A note for each word of a -k expression that is in no test's name: misspelt, or of another scale."""
    words = [word for word in re.findall(r"[\w-]+", expression) if word not in ("and", "or", "not")]
    known = [name.lower() for name in names]
    notes = []
    for word in [word for word in words if not any(word.lower() in name for name in known)]:
        notes.append(f"note: -k names {word}, which no test's name holds; {_meant(word, project)}")
    return notes


def _meant(word: str, project: Project) -> str:
    """What a word that is in no test's name may stand for."""
    declared = [subject for recipe in project.recipes.values() for subject in recipe]
    scales = list(dict.fromkeys(subject.scale for subject in declared if word.lower() in subject.id.lower()))
    if project.scale in scales:
        return "none of the tests that were collected concerns it"
    if scales:
        return f"it is of another scale: {' or '.join(f'--scale {scale}' for scale in scales)}"
    close = difflib.get_close_matches(word, [*project.recipes, *project.suites], n=1)
    return f"did you mean {close[0]}?" if close else f"recipes: {', '.join(project.recipes)}"
