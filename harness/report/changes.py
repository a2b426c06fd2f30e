"""A subject's scores over past runs -> where they changed, tested sample by sample, and what was different then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import WarehouseError
from harness.files import SHORT, Json, differences
from harness.report.content import Changed, PastScore
from harness.report.query import parsed, rows

if TYPE_CHECKING:
    import duckdb

MOST = 40  # measurements that are tested, the newest
MOST_NAMED = 3  # fields that are named beside one change
FEWEST_SAMPLES = 2
DERIVED = ("checkpoint", "answers")  # of an evaluation: keys of what it stands on, whose own differences are named


@dataclass(frozen=True)
class Timeline:
    """The newest measurements of one subject in one metric, oldest first; what was found again at once counts once."""

    points: tuple[PastScore, ...]
    changes: tuple[Changed, ...]
    breaks: tuple[tuple[int, str], ...]  # (place, what is different): from here on the suite asks something else
    untested: str = ""  # why no change can be found; empty where they are tested


def timeline(connection: duckdb.DuckDBPyConnection, scores: Sequence[PastScore]) -> Timeline:
    """What one subject scored in one metric of one suite, `scores` by run, oldest first, and where that changed.

    What was measured again and gave the same evaluation counts once. Across versions of a suite nothing is compared.
    """
    points = [one for place, one in enumerate(scores) if not place or one.evaluation != scores[place - 1].evaluation]
    points = points[-MOST:]
    if len(points) < 2:
        return Timeline(tuple(points), (), ())
    found = rows(connection, "specs", evaluations=sorted({one.evaluation for one in points}))
    made = {
        row["evaluation"]: _Made(parsed(row["spec"], {}), row["fingerprint"], row["device"], row["dtype"])
        for row in found
    }
    suites = [made[one.evaluation].spec.get("suite", {}) for one in points]
    breaks = []
    for place in range(1, len(points)):
        changed = list(differences(suites[place - 1], suites[place]))
        if changed:
            breaks.append((place, in_words(changed)))
    edges = [0, *(place for place, _ in breaks), len(points)]
    changes: list[Changed] = []
    untested = ""
    for start, end in zip(edges, edges[1:], strict=False):
        stretch = points[start:end]
        if len(stretch) < 2:
            continue
        by_sample = _by_sample(connection, stretch, suites[start])
        if isinstance(by_sample, str):
            untested = by_sample
        else:
            changes += _changes(connection, stretch, by_sample, made)
    return Timeline(tuple(points), tuple(changes), tuple(breaks), untested)


def timelines(
    connection: duckdb.DuckDBPyConnection, name: str, metric: str, suite: str | None = None
) -> dict[tuple[str, str], Timeline]:
    """(subject, suite) -> its timeline, for a subject or all subjects of a recipe. Raises WarehouseError where nothing
    has that name or that metric.
    """
    found = rows(connection, "past", name=name, metric=metric, suite=suite)
    if not found:
        raise _unknown(connection, name, metric, suite)
    scores: dict[tuple[str, str], list[PastScore]] = {}
    for row in found:
        one = PastScore(**row | {"settings": parsed(row["settings"], [])})
        scores.setdefault((one.subject, one.suite), []).append(one)
    return {who: timeline(connection, past) for who, past in sorted(scores.items())}


def _unknown(connection: duckdb.DuckDBPyConnection, name: str, metric: str, suite: str | None) -> WarehouseError:
    """Which of the three is wrong, and what there is."""
    recipes = connection.execute("SELECT DISTINCT recipe FROM subjects ORDER BY 1").fetchall()
    measured = connection.execute(
        "SELECT DISTINCT m.suite, x.metric FROM measured m JOIN subjects s USING (run_id, subject) "
        "JOIN metrics x USING (evaluation) WHERE s.recipe = $1 OR s.subject = $1 ORDER BY ALL",
        [name],
    ).fetchall()
    if not measured:
        there = ", ".join(row[0] for row in recipes) or "none"
        return WarehouseError(
            f"the results hold no recipe or subject {name!r} that was measured.", f"Recipes: {there}."
        )
    if suite is not None and suite not in {row[0] for row in measured}:
        there = ", ".join(dict.fromkeys(row[0] for row in measured))
        return WarehouseError(f"{name} was not measured by a suite {suite!r}.", f"Suites: {there}.")
    there = ", ".join(dict.fromkeys(row[1] for row in measured if suite in (None, row[0])))
    return WarehouseError(f"{name} was measured in no metric {metric!r}.", f"Metrics: {there}.")


@dataclass(frozen=True)
class _Made:
    """What an evaluation was made from, and where."""

    spec: Json
    fingerprint: str  # of the checkpoint that it measured
    device: str | None
    dtype: str | None

    @property
    def computed(self) -> Json:
        return {"device": self.device, "dtype": self.dtype}


BySample = tuple[list[list[float]], list[str]]  # scores (T, n) and the n clusters


def _by_sample(connection: duckdb.DuckDBPyConnection, points: Sequence[PastScore], suite: Json) -> BySample | str:
    """The score of every sample that all measurements have; why not, where single samples have none.

    Of a ratio r of sums, what each sample adds to it: (top - r x bottom) / mean(bottom), whose mean over samples is the
    measurement's ratio less r, the ratio over all measurements (its linear part, as in Cochran 1977, chapter 6).
    """
    metric = points[0].metric
    declared = next((one for one in suite.get("metrics", []) if one.get("name") == metric), {"is": "Mean"})
    if declared["is"] not in ("Mean", "Ratio"):
        return f"{metric} is computed over all samples together, so that changes cannot be tested sample by sample"
    top = declared.get("numerator", metric)
    found = rows(
        connection, "scores", evaluations=sorted({one.evaluation for one in points}),
        top=f'$."{top}"', bottom=f'$."{declared.get("denominator", top)}"',
    )  # fmt: skip
    by_evaluation: dict[str, dict[str, tuple[float, float]]] = {}
    clusters: dict[str, str] = {}
    for row in found:
        if row["top"] is not None and row["bottom"] is not None:
            by_evaluation.setdefault(row["evaluation"], {})[row["sample_id"]] = row["top"], row["bottom"]
            clusters[row["sample_id"]] = (
                f"alone: {row['sample_id']}" if row["cluster"] is None else f"of {row['cluster']}"
            )
    measured = [by_evaluation.get(one.evaluation, {}) for one in points]
    common = [name for name in measured[0] if all(name in one for one in measured)]
    if len(common) < FEWEST_SAMPLES:
        return f"single samples have no {metric}"
    groups = [clusters[name] for name in common]
    if len(set(groups)) < FEWEST_SAMPLES:  # all in one cluster, taken as independent, as everywhere
        groups = common
    if declared["is"] == "Mean":
        return [[one[name][0] for name in common] for one in measured], groups
    bottoms = [sum(one[name][1] for name in common) / len(common) for one in measured]
    if min(bottoms) <= 0:
        return f"{metric} has a denominator of 0"
    ratio = sum(one[name][0] for one in measured for name in common) / (sum(bottoms) * len(common))
    each = zip(measured, bottoms, strict=True)
    return [[(one[name][0] - ratio * one[name][1]) / bottom for name in common] for one, bottom in each], groups


def _changes(
    connection: duckdb.DuckDBPyConnection, points: Sequence[PastScore], by_sample: BySample, made: dict[str, _Made]
) -> list[Changed]:  # fmt: skip
    from harness.statistics.changes import change_points

    found = change_points(*by_sample)
    edges = [0, *(one.place for one in found), len(points)]
    means = [_mean(points[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    changes = []
    for number, change in enumerate(found):
        first, last = points[change.place], points[change.place - 1]
        changes.append(
            Changed(
                first.subject, first.suite, first.metric, first.run_id, first.started_at, first.commit_id,
                before=means[number], after=means[number + 1], p_value=change.p_value,
                why=why(connection, made[last.evaluation], made[first.evaluation]),
            )
        )  # fmt: skip
    return changes


def _mean(points: Sequence[PastScore]) -> float:
    known = [one.estimate for one in points if one.estimate is not None]
    return sum(known) / len(known) if known else float("nan")


def why(connection: duckdb.DuckDBPyConnection, there: _Made, here: _Made) -> tuple[str, ...]:
    """What is different between two evaluations: of the checkpoint and those that it was trained from, and of asking."""
    fingerprints = [there.fingerprint, here.fingerprint]
    made = {
        row["fingerprint"]: parsed(row["spec"], {})
        for row in rows(connection, "checkpoints", fingerprints=fingerprints)
    }
    found = []
    before, now = fingerprints
    while before != now and before in made and now in made:
        of_stage = list(differences(made[before], made[now]))
        found += [(f"training {field}" if field == "code" else field, *both) for field, *both in of_stage]
        before, now = (made[one].get("base", {}).get("checkpoint") for one in (before, now))
    found = [one for one in found if one[0] != "base.checkpoint"]  # whose own differences follow it
    found += differences(there.computed, here.computed)
    asked = [one for one in differences(there.spec, here.spec) if one[0].split(".")[0] not in DERIVED]
    found += [(f"measuring {field}" if field == "code" else field, *both) for field, *both in asked]
    named = [in_words([one]) for one in found[:MOST_NAMED]]
    if not named and there.spec.get("answers") != here.spec.get("answers"):
        named = ["how it was asked: the code that asks, or its batches"]
    return (*named, *([f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []))


def in_words(changed: Sequence[tuple[str, object, object]]) -> str:
    """'settings.learning_rate 0.0005 → 0.001', of the first differences; digests are shortened."""
    return ", ".join(f"{field} {_short(before)} → {_short(now)}" for field, before, now in changed[:MOST_NAMED])


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    if len(text) >= 2 * SHORT and all(letter in "0123456789abcdef" for letter in text):
        return text[:SHORT]
    return text if len(text) <= 40 else f"{text[:39]}…"
