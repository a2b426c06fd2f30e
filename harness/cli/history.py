"""`harness history`: a score over past runs, with the commits at which it changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.shared import AsJson, ManyResults, print_json, reading, show
from harness.files import Json
from harness.report.changes import Timeline, timelines
from harness.report.history import change_line


def history(
    recipe: Annotated[str, typer.Argument(help="a recipe, or one of its variants")],
    metric: Annotated[str, typer.Argument(help="such as conversational")],
    suite: Annotated[str | None, typer.Option(help="only this suite")] = None,
    results: ManyResults = None,
    as_json: AsJson = False,
) -> None:
    """A score over past runs, the commits at which it changed by a test over samples, and what was different then."""
    with reading(results) as connection:
        found = timelines(connection, recipe, metric, suite)
    if as_json:
        return print_json([_object(*who, one) for who, one in found.items()])
    for (subject, of), one in found.items():
        print(f"{subject}, {of} {metric}")
        show(
            _rows(one),
            {"run": "run", "commit": "commit", "score": "score", "interval": "95 % interval", "note": ""},
            False,
        )
        if one.untested:
            print(f"{one.untested}.")
        elif len(one.points) < 2:
            print("It is measured once.")
        elif not one.changes:
            print("No change is found: every difference is within chance.")
        for change in one.changes:
            print(change_line(change))
        print()


def _rows(one: Timeline) -> list[Json]:
    notes = {change.run_id: "changed" for change in one.changes}
    for place, what in one.breaks:
        notes[one.points[place].run_id] = f"not compared with what is above: the suite differs ({what})"
    return [
        {
            "run": point.run_id,
            "commit": point.commit_id and point.commit_id[:7],
            "score": point.estimate,
            "interval": None if point.low is None or point.high is None else f"{point.low:.3f} to {point.high:.3f}",
            "note": notes.get(point.run_id, ""),
        }
        for point in one.points
    ]


def _object(subject: str, suite: str, one: Timeline) -> Json:
    points = [{**asdict(point), "started_at": point.started_at.isoformat()} for point in one.points]
    return {
        "subject": subject,
        "suite": suite,
        "measurements": [{name: value for name, value in point.items() if name != "settings"} for point in points],
        "changes": [{**asdict(change), "started_at": change.started_at.isoformat()} for change in one.changes],
        "breaks": [{"run_id": one.points[place].run_id, "differs": what} for place, what in one.breaks],
        "untested": one.untested,
    }
