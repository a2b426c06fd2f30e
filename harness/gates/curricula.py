"""A curriculum -> what each lesson did to what was taught before: the matrix of lesson against suite, and its sums.

Backward transfer is the mean, over all lessons but the last, of the score after the last lesson less the score when it
had just been taught (Lopez-Paz and Ranzato 2017, arXiv:1706.08840). Forgetting takes the best score so far in place of
the latter (Chaudhry et al. 2018, arXiv:1801.10112). Both are given so that below zero is worse: what the recipe claims more or less of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evaluation import Evaluation, StoredResults
from harness.files import Json
from harness.gates.sweeps import Difference, difference, over_seeds
from harness.project import Project
from harness.recipe import Curriculum, Subject


@dataclass(frozen=True)
class Cell:
    """A lesson's score after one of the lessons; None where it is not measured under every seed."""

    after: str  # the subject: the weights after that lesson
    lesson: str  # the recipe whose metric it is
    metric: str  # suite and metric
    score: float | None
    low: float | None
    high: float | None
    since_taught: Difference | None  # of the lessons taught before; better is above zero


@dataclass(frozen=True)
class Learnt:
    """A curriculum at one size of its recipes."""

    curriculum: str
    size: str
    cells: tuple[tuple[Cell, ...], ...]  # by lesson taught last, then by lesson measured
    backward_transfer: Difference | None
    forgetting: float | None  # at most 0: how far below the best so far, on average
    conclusion: str

    def rows(self, run_id: str) -> list[Json]:
        """A row of the warehouse's table for each cell."""
        return [
            {
                "run_id": run_id, "curriculum": self.curriculum, "size": self.size, "place": place, "lesson_place": of,
                "subject": cell.after, "lesson": cell.lesson, "metric": cell.metric,
                "score": cell.score, "low": cell.low, "high": cell.high,
                "since_taught": cell.since_taught and cell.since_taught.estimate,
                "since_taught_low": cell.since_taught and cell.since_taught.low,
                "since_taught_high": cell.since_taught and cell.since_taught.high,
                "conclusion": self.conclusion,
            }
            for place, row in enumerate(self.cells)
            for of, cell in enumerate(row)
        ]  # fmt: skip


def what_was_learnt(project: Project, results: StoredResults, curriculum: Curriculum) -> list[Learnt]:
    """The curriculum at each of its sizes of the session's scale. Raises SuiteError for a metric that its suite lacks."""
    sizes = [name for name in curriculum.variants if curriculum.lessons[0].recipe[name].scale == project.scale]
    return [_at_size(project, results, curriculum, size) for size in sizes]


def _at_size(project: Project, results: StoredResults, curriculum: Curriculum, size: str) -> Learnt:
    after = curriculum.after(size)
    measured = [
        [_measured(project, results, subject, lesson.suite) for lesson in curriculum.lessons] for subject in after
    ]
    up = [lesson.rises for lesson in curriculum.lessons]
    cells = []
    for place, subject in enumerate(after):
        row = []
        for of, lesson in enumerate(curriculum.lessons):
            now, then = measured[place][of], measured[of][of]
            interval = over_seeds(now, None, lesson.metric) if now else None
            score, low, high = (interval.estimate, interval.low, interval.high) if interval else (None, None, None)
            since = None
            if now and then and of < place:
                since = _better(difference(after[of].id, now, then, lesson.metric), up[of])
            row.append(Cell(subject.id, lesson.recipe.name, f"{lesson.suite} {lesson.metric}", score, low, high, since))
        cells.append(tuple(row))
    transfer, forgetting = _backward_transfer(cells[-1]), _forgetting(cells, up)
    words = _conclusion(cells, transfer, forgetting)
    return Learnt(curriculum.name, size, tuple(cells), transfer, forgetting, words)


def _measured(project: Project, results: StoredResults, subject: Subject, suite: str) -> list[Evaluation]:
    """The suite's evaluations of the subject under every seed; empty where not all are there."""
    every = [results.evaluation(project.suite(suite), one) for one in project.seeds_of(subject)]
    there = [one for one in every if one is not None]
    return there if len(there) == len(every) else []


def _better(found: Difference, up: bool) -> Difference:
    """The difference so that above zero is better."""
    return found if up else Difference(found.subject, -found.estimate, -found.high, -found.low, found.p_value)


def _backward_transfer(last: Sequence[Cell]) -> Difference | None:
    """The mean change since each lesson was taught. Its interval is as wide as theirs on average, which holds however
    they hang together: lessons may share a suite, and under several seeds they share trainings.
    """
    changes = [cell.since_taught for cell in last[:-1]]
    known = [one for one in changes if one is not None]
    if len(known) < len(changes):
        return None
    mean = sum(one.estimate for one in known) / len(known)
    low, high = (sum(ends) / len(known) for ends in zip(*((one.low, one.high) for one in known), strict=True))
    return Difference("when taught", mean, low, high, None)


def _forgetting(cells: Sequence[Sequence[Cell]], up: Sequence[bool]) -> float | None:
    lost = []
    for of in range(len(cells) - 1):
        scores = [row[of].score for row in cells[of:]]
        known = [score if up[of] else -score for score in scores if score is not None]
        if len(known) < len(scores):
            return None
        lost.append(known[-1] - max(known))
    return sum(lost) / len(lost)


def _conclusion(cells: Sequence[Sequence[Cell]], transfer: Difference | None, forgetting: float | None) -> str:
    if transfer is None:
        missing = sum(cell.score is None for row in cells for cell in row)
        return f"{missing} of {sum(map(len, cells))} scores are not measured, so what was forgotten is not known."
    words = (
        f"Backward transfer is {transfer.estimate:+.3f} ({transfer.low:+.3f} to {transfer.high:+.3f}): "
        f"the mean change of what was taught before, below zero for worse."
    )
    if forgetting is not None and len(cells) > 2:
        words += f" Measured from the best score on the way it is {forgetting:+.3f}."
    for cell in cells[-1][:-1]:
        if (one := cell.since_taught) is not None:
            words += f" {cell.lesson}: {cell.metric} {one.estimate:+.3f} ({one.low:+.3f} to {one.high:+.3f}) since it was taught."
    return words
