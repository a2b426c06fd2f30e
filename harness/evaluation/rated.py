"""What people said of a subject's present answers: of ratings in the store, those that are about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evaluation.evaluation import Evaluation
from harness.evaluation.stored import StoredResults
from harness.recipe import Subject
from harness.store.ratings import Rated, Rating, read_ratings
from harness.suite import Suite


@dataclass(frozen=True)
class Judgement:
    """One rating, seen from one subject."""

    rater: str
    sample_id: str
    group: str  # of prompts that belong together
    points: int | None  # of the scale; None of pairs
    value: float  # 1 where the subject is preferred, -1 where the other is, 0 for neither; of single answers the points


def judgements(
    results: StoredResults, suites: Sequence[Suite], subject: Subject, other: Subject | None
) -> list[Judgement]:
    """What people said of the subject against the other, or of its answers alone; first showings, of the suites' answers now."""
    sides = [subject] if other is None else [subject, other]
    found = []
    for rated in read_ratings(results.store):
        of = rated.comparison
        suite = next((one for one in suites if one.name == of.suite), None)
        if (
            suite is None
            or set(of.subjects) != {side.id for side in sides}
            or (of.points is None) != (other is not None)
        ):
            continue
        keys = {side.id: results.planned(suite, side).answers_key for side in sides}
        if [keys[name] for name in of.subjects] == list(of.answers):
            found += _seen_from(subject, rated, _groups(results.evaluation(suite, subject)))
    return found


def _seen_from(subject: Subject, rated: Rated, groups: dict[str, str]) -> list[Judgement]:
    sign = 1.0 if rated.comparison.subjects[0] == subject.id else -1.0

    def judgement(one: Rating) -> Judgement:
        group = groups.get(one.sample_id, one.sample_id)
        return Judgement(
            one.rater, one.sample_id, f"{rated.comparison.suite} {group}", rated.comparison.points, sign * one.number
        )

    return [judgement(one) for one in rated.ratings if one.showing == 0]


def _groups(found: Evaluation | None) -> dict[str, str]:
    return {one.sample_id: one.cluster for one in found.samples if one.cluster is not None} if found is not None else {}
