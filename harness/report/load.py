"""Warehouse -> Content: runs the queries beside this file, parses JSON, and never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.errors import WarehouseError
from harness.report.changes import timeline
from harness.report.content import (
    Baseline,
    Changed,
    Checkpoint,
    Content,
    Evaluation,
    Floor,
    Gate,
    LessonScore,
    LogPoint,
    Loud,
    Metric,
    PastScore,
    RatingRow,
    Run,
    Subject,
    SweptSetting,
    Touched,
    declared_name,
)
from harness.report.query import parsed, rows
from harness.report.sampling import draw
from harness.report.settings import names, same

if TYPE_CHECKING:
    import duckdb


def load(
    connection: duckdb.DuckDBPyConnection,
    run_id: str | None = None,
    recipes: Sequence[str] | None = None,
    since: datetime | None = None,
    each_setting: bool = False,
) -> Content:
    """All that a report shows: on the latest run, on the one named, or on the stored runs of a window.

    With `recipes` or `since` (UTC where it names no zone): of every subject of these recipes, its newest run since
    then, the newest evaluations of those weights, and the claims as last judged on them. With `each_setting` a subject
    whose declared stages differ between those runs is there once for each, as a subject of its own.
    Nothing is written through the connection. Raises WarehouseError where nothing matches.
    """
    runs = _runs(connection, run_id, list(recipes) if recipes else None, since)
    scope: dict[str, Any] = {"runs": [run.run_id for run in runs], "recipes": list(recipes) if recipes else None}
    scope["each_setting"] = each_setting
    found = rows(connection, "subjects", **scope)
    found = _settings_apart(found) if each_setting else [row | {"setting": ""} for row in found]
    entry = {f"{name}s": [row[name] for row in found] for name in ("subject", "fingerprint")}
    looked_at = [row["weights"] for row in found if row["weights"] is not None]
    checkpoints = _checkpoints(connection, [*entry["fingerprints"], *looked_at])
    judged = rows(connection, "gates", **scope, **entry)
    measured = rows(connection, "evaluations", runs=scope["runs"], **entry)
    blessed = _blessed(connection, judged, runs[0])
    _name_by_setting(found, judged, measured)
    gates = tuple(_gates(judged))
    evaluations = _evaluations(connection, measured + blessed, gates)
    subjects = tuple(_subjects(found, checkpoints))
    content = Content(
        runs=runs,
        subjects=subjects,
        evaluations=tuple(evaluations[: len(measured)]),
        floors=tuple(Floor(**row) for row in rows(connection, "floors", scale=runs[0].scale)),
        gates=gates,
        touched=tuple(Touched(**row) for row in rows(connection, "touched", **_named(measured))),
        swept=tuple(_swept(connection, scope)),
        lessons=tuple(LessonScore(**row) for row in rows(connection, "curricula", **_of_runs(scope))),
        ratings=tuple(
            RatingRow(**row) for row in rows(connection, "ratings", evaluations=_named(measured)["evaluations"])
        ),
        baselines=tuple(_baselines(blessed, evaluations[len(measured) :], subjects)),
    )
    history = tuple(_history(connection, content))
    return replace(content, history=history, changes=tuple(_changes(connection, history)))


def _runs(
    connection: duckdb.DuckDBPyConnection, run_id: str | None, recipes: list[str] | None, since: datetime | None
) -> tuple[Run, ...]:
    """The runs reported on, newest first."""
    since = since.astimezone(UTC).replace(tzinfo=None) if since is not None and since.tzinfo else since
    found = rows(connection, "runs", run_id=run_id, recipes=recipes, since=since)
    unknown = set(recipes or ()) - _recipes(connection)
    if not found or unknown:
        raise _nothing(connection, run_id, recipes, since, unknown)
    if recipes is None and since is None:
        found = found[:1]
    for row in found:
        row |= {"environment": parsed(row["environment"], {}), "better": parsed(row["better"], {})}
    return tuple(Run(**row) for row in found)


def _swept(connection: duckdb.DuckDBPyConnection, scope: dict[str, Any]) -> Iterator[SweptSetting]:
    for row in rows(connection, "sweeps", **_of_runs(scope)):
        yield SweptSetting(**row | {"axes": parsed(row["axes"], {})})


def _of_runs(scope: dict[str, Any]) -> dict[str, Any]:
    return {"runs": scope["runs"], "recipes": scope["recipes"]}


def _recipes(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT DISTINCT recipe FROM subjects").fetchall()}


def _nothing(
    connection: duckdb.DuckDBPyConnection, run_id: str | None, recipes: list[str] | None, since: datetime | None,
    unknown: set[str],
) -> WarehouseError:  # fmt: skip
    """The error that says why no run matches, and which runs there are."""
    known = connection.execute("SELECT run_id, started_at FROM runs ORDER BY run_id DESC").fetchall()
    if not known:
        return WarehouseError("the results hold no run, so there is nothing to report", "Run pytest suites/ first.")
    if unknown:
        there = ", ".join(sorted(_recipes(connection))) or "none"
        wrong = f"recipe{'s' if len(unknown) > 1 else ''} {', '.join(sorted(unknown))}"
        return WarehouseError(f"the results hold no {wrong}", f"The recipes there are: {there}.")
    if run_id is not None and run_id not in [row[0] for row in known]:
        return WarehouseError(
            f"the results hold no run {run_id}", f"The newest: {', '.join(row[0] for row in known[:3])}."
        )
    of = f" of {', '.join(recipes)}" if recipes else ""
    matching = rows(connection, "runs", run_id=run_id, recipes=recipes, since=None)
    if not matching:
        return WarehouseError(f"run {run_id} did not use {', '.join(recipes or ())}", "Name another run, or none.")
    newest = max(row["started_at"] for row in matching)
    return WarehouseError(
        f"the results hold no run{of} since {since:%Y-%m-%d %H:%M} UTC; the newest started {newest:%Y-%m-%d %H:%M} UTC",
        "Name an earlier date.",
    )


def _checkpoints(connection: duckdb.DuckDBPyConnection, fingerprints: list[str]) -> dict[str, Checkpoint]:
    found = rows(connection, "checkpoints", fingerprints=fingerprints)
    logs: dict[str, list[LogPoint]] = {}
    for row in rows(connection, "training_log", fingerprints=[row["fingerprint"] for row in found]):
        logs.setdefault(row.pop("fingerprint"), []).append(LogPoint(**row))
    for row in found:
        for name in ("spec", "environment", "rows_by_source"):
            row[name] = parsed(row[name], {})
        row["log"] = tuple(logs.get(row["fingerprint"], ()))
    return {row["fingerprint"]: Checkpoint(**row) for row in found}


def _settings_apart(found: list[dict]) -> list[dict]:
    """The entries with the name that tells each one's settings from the newest ones of its recipe and variant.

    Of entries of one subject that say the same, the newest is left.
    """
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in sorted(found, key=lambda row: row["run_id"], reverse=True):
        row["settings"] = parsed(row["settings"], [])
        group = groups.setdefault((row["recipe"], row["variant"]), [])
        if not any(row["subject"] == one["subject"] and same(row["settings"], one["settings"]) for one in group):
            group.append(row)
    for group in groups.values():
        declared: list[Any] = []
        for row in group:
            if not any(same(row["settings"], one) for one in declared):
                declared.append(row["settings"])
        called = names(declared)
        for row in group:
            place = next(place for place, one in enumerate(declared) if same(row["settings"], one))
            row["setting"] = called[place]
    return [row for row in found if "setting" in row]


def _name_by_setting(found: list[dict], judged: list[dict], measured: list[dict]) -> None:
    """Name the subjects, and what was judged and measured of them, as they stand in the report."""
    shown = {(row["subject"], row["fingerprint"]): _name(row) for row in found}
    for row in measured:
        row["subject"] = shown.get((row["subject"], row.pop("fingerprint")), row["subject"])
    for row in judged:
        row["subject"] = shown.get((row["subject"], row.pop("fingerprint")), row["subject"])
        other = (row["reference"], row.pop("other_fingerprint"))
        if other in shown:
            row["reference"] = shown[other]
        elif other[1] is not None and other[0] in (row["subject"] for row in found):
            row["reference"] = f"{other[0]} as it was then"  # those weights are not in the report
    for row in found:
        row["subject"] = _name(row)


def _name(row: dict) -> str:
    return f"{row['subject']} with {row['setting']}" if row["setting"] else str(row["subject"])


def _subjects(found: list[dict], checkpoints: dict[str, Checkpoint]) -> Iterator[Subject]:
    for row in found:
        row["name"] = row.pop("subject")
        if not isinstance(row["settings"], list | dict):
            row["settings"] = parsed(row["settings"], [])
        del row["run_id"]
        yield Subject(**row, lineage=_lineage(row["weights"] or row["fingerprint"], checkpoints))


def _lineage(fingerprint: str | None, checkpoints: dict[str, Checkpoint]) -> tuple[Checkpoint, ...]:
    chain: list[Checkpoint] = []
    while fingerprint in checkpoints and checkpoints[fingerprint] not in chain:
        chain.append(checkpoints[fingerprint])
        fingerprint = chain[-1].parent
    return tuple(reversed(chain))


def _gates(judged: list[dict]) -> Iterator[Gate]:
    for row in judged:
        names = ("sample_id", "candidate", "baseline")
        loudest = [Loud(*(loud.get(name) for name in names)) for loud in parsed(row.pop("loudest"), [])]
        yield Gate(**row, loudest=tuple(loudest))


def _blessed(connection: duckdb.DuckDBPyConnection, judged: list[dict], run: Run) -> list[dict]:
    """The evaluations that claims call baselines."""
    regressions = [row for row in judged if row["kind"] == "regression"]
    wanted = [row for row in regressions if (row["reference"] or "").startswith("baseline ")]
    return rows(
        connection, "baselines", ended=run.started_at + timedelta(seconds=run.seconds or 0),
        names=[row["reference"].removeprefix("baseline ") for row in wanted],
        subjects=[row["subject"] for row in wanted], suites=[row["suite"] for row in wanted],
    )  # fmt: skip


def _named(found: list[dict]) -> dict[str, list[str]]:
    return {f"{name}s": [row[name] for row in found] for name in ("subject", "suite", "evaluation")}


def _evaluations(connection: duckdb.DuckDBPyConnection, found: list[dict], gates: Sequence[Gate]) -> list[Evaluation]:
    """An evaluation for each row, with its metrics and samples."""
    suites = {row["evaluation"]: row["suite"] for row in found}
    metrics: dict[str, dict[str, Metric]] = {}
    for row in rows(connection, "metrics", evaluations=sorted(suites)):
        key, name = row.pop("evaluation"), row.pop("metric")
        metrics.setdefault(key, {})[name] = Metric(name=name, **row)
    samples = draw(connection, suites, [loud.sample_id for gate in gates for loud in gate.loudest])
    columns = (
        "evaluation", "subject", "suite", "asked", "scale", "system_prompt", "sample_count", "sample_limit", "completions", "cut",
        "looked_up", "findable", "found", "seconds",
        "tokens", "peak_memory_bytes", "energy_joules",
    )  # fmt: skip
    return [
        Evaluation(
            **{name: row[name] for name in columns},
            samples_available=row["samples_available"] or row["sample_count"],
            metrics=metrics.get(row["evaluation"], {}),
            samples=samples.get(row["evaluation"], ()),
        )
        for row in found
    ]


def _baselines(
    blessed: list[dict], evaluations: Sequence[Evaluation], subjects: Sequence[Subject]
) -> Iterator[Baseline]:
    """Each blessed evaluation, under every name that its subject has in the report."""
    for row, evaluation in zip(blessed, evaluations, strict=True):
        names = [one.name for one in subjects if row["subject"] == declared_name(one.name, one.setting)]
        for name in names or [row["subject"]]:
            named = replace(evaluation, subject=f"{name} at baseline {row['name']}")
            yield Baseline(row["name"], row["commit_id"], row["set_at"], named)


def _changes(connection: duckdb.DuckDBPyConnection, history: Sequence[PastScore]) -> Iterator[Changed]:
    """Where any subject's score changed."""
    past: dict[tuple[str, str], list[PastScore]] = {}
    for score in history:
        past.setdefault((score.subject, score.suite), []).append(score)
    for scores in past.values():
        yield from timeline(connection, scores).changes


def _history(connection: duckdb.DuckDBPyConnection, content: Content) -> Iterator[PastScore]:
    """What the subjects scored in each run until this one, in the first metric of each suite."""
    shown = {suite: content.metric_names(suite)[0] for suite in content.suites if content.metric_names(suite)}
    scales = {suite: {e.scale for e in content.of_suite(suite).values()} for suite in shown}
    found = rows(
        connection, "history", suites=list(shown), metrics=list(shown.values()),
        scales=[next(iter(of)) if len(of) == 1 else None for of in scales.values()],
        subjects=[subject.name for subject in content.subjects], newest=content.run.run_id,
    )  # fmt: skip
    return (PastScore(**row | {"settings": parsed(row["settings"], [])}) for row in found)
