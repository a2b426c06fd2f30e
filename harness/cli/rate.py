"""`harness rate`: people say which of two answers is better, on a page of this machine."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.models import one_of
from harness.cli.shared import AsJson, DataRoot, Exact, Gpu, Made, StoreDir, note, opened, print_json, show
from harness.errors import HarnessError
from harness.files import Json, write_whole
from harness.session.setup import Setup

if TYPE_CHECKING:
    from harness.serving.rating.run import Rateable
    from harness.serving.rating.summary import Panel

USUAL = "tone"  # the suite whose answers are rated where none is named
MOST_POINTS = 10


def rate(
    first: Annotated[str, typer.Argument(metavar="A", help="a recipe, or one of its variants")],
    second: Annotated[str | None, typer.Argument(metavar="B", help="another; left out with --scale 5")] = None,
    suite: Annotated[str, typer.Option(help="whose prompts and answers")] = USUAL,
    n: Annotated[int, typer.Option("--n", min=2, help="prompts that are shown to each rater")] = 60,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    scale: Annotated[
        list[str] | None,
        typer.Option("--scale", help="tiny, mini, small or full; a number: A's answers are rated from 1 to it"),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="what was said so far; no page")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="every rating as .csv or .jsonl; no page")] = None,
    tasks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the pairs, to be rated elsewhere; no page")
    ] = None,
    form: Annotated[str, typer.Option("--form", help="of --tasks: label-studio or argilla")] = "label-studio",
    ratings: Annotated[Path | None, typer.Option(metavar="FILE", help="what came back from there; no page")] = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Have people rate answers blind, two against each other or one on a scale, and say what came of it."""
    from harness.serving.rating.elsewhere import FORMS, take_in
    from harness.serving.rating.run import rateable, serve

    points, of_project = _scales(scale, second)
    setup = opened(of_project, data_root, store, Made(gpu, exact))
    subjects = [setup.project.only(name) for name in (first, second) if name is not None]
    if len({one.id for one in subjects}) < len(subjects):
        raise HarnessError(f"{first} and {second} are the same: {subjects[0].id}.", "Name two that differ.")
    measured = {one.id: setup.results.needed(setup.project.suite(suite), one) for one in subjects}
    rated = rateable(measured, points, n)
    say = note if as_json else print
    if out is not None:
        return _write(setup, rated, out)
    if tasks is not None:
        return _write_tasks(rated, tasks, one_of("--form", form, *FORMS))
    if ratings is not None:
        new, found = take_in(setup.store, rated, ratings)
        say(f"{found:,} ratings in {ratings}, {new:,} of them new")
    elif not summary:
        say(_before(rated, n))
        serve(setup.store, rated, port, say)
    _print_summary(setup, rated, as_json)


def _scales(given: list[str] | None, second: str | None) -> tuple[int | None, str | None]:
    """(the points of a scale of ratings, the project's scale)."""
    numbers = [one for one in given or [] if one.isdecimal()]
    names = [one for one in given or [] if not one.isdecimal()]
    if len(numbers) > 1 or len(names) > 1:
        raise HarnessError(f"--scale {' --scale '.join(given or [])}: one number and one name at most.")
    points = int(numbers[0]) if numbers else None
    if points is not None and not 2 <= points <= MOST_POINTS:
        raise HarnessError(f"--scale {points}: a scale has 2 to {MOST_POINTS} points.", "Write --scale 5.")
    if points is not None and second is not None:
        raise HarnessError(f"--scale {points}: single answers are rated, and two recipes are named.", "Name one.")
    if points is None and second is None:
        raise HarnessError("compared with which?", "harness rate A B, or harness rate A --scale 5 for single answers.")
    return points, names[0] if names else None


def _before(rated: Rateable, asked: int) -> str:
    """How many there are, and what they can show."""
    from harness.serving.rating.summary import FAIR, decided_by

    count, of = len(rated.items), rated.comparison
    fewer = f" (of {asked} asked for)" if count < asked else ""
    lines = [f"{' against '.join(of.subjects)}, {of.suite}: {count} prompts{fewer}"]
    if rated.equal:
        lines.append(f"{rated.equal} more have the same answer twice; they are not shown.")
    if of.points is None:
        least, needed = decided_by(count)
        lines.append(
            f"One rater who answers them all can show a preference of {least:.2f} or more ({(1 + least) / 2:.0%} against "
            f"{(1 - least) / 2:.0%}) with 80 % power; {FAIR:.2f} takes {needed} prompts. Ask three or more, and the result "
            "is about people, not about one."
        )
    return "\n".join(lines)


def _print_summary(setup: Setup, rated: Rateable, as_json: bool) -> None:
    from harness.serving.rating.summary import summary as summed
    from harness.store.ratings import Rated, read_ratings

    of = rated.comparison
    found = next((one for one in read_ratings(setup.store) if one.comparison == of), Rated(of, ()))
    whole = summed(found, rated.clusters)
    if as_json:
        return print_json({"suite": of.suite, "subjects": of.subjects, "points": of.points, **asdict(whole)})
    if not whole.ratings:
        return print("Nobody has rated them yet.")
    show(_rows(rated, whole), {"what": "what", "value": "value"}, as_json=False)


def _rows(rated: Rateable, whole: Panel) -> list[Json]:
    of = rated.comparison
    names = {
        "first": f"{of.subjects[0]} better",
        "second": f"{of.subjects[-1]} better",
        "same": "the same",
        "bad": "both bad",
    }
    order = names if of.points is None else [str(point) for point in range(1, of.points + 1)]
    prompts = f"{whole.prompts}" + (f", in {whole.groups} groups" if whole.groups < whole.prompts else "")
    rows = {"raters": whole.raters, "prompts": prompts, "ratings": whole.ratings}
    found: list[Json] = [{"what": name, "value": str(value)} for name, value in rows.items()]
    found += [
        {
            "what": names.get(value, value),
            "value": f"{whole.counts.get(value, 0)} ({whole.counts.get(value, 0) / whole.ratings:.0%})",
        }
        for value in order
    ]
    if whole.mean is not None:
        title = f"preference for {of.subjects[0]} (−1 to 1)" if of.points is None else "mean"
        found.append(
            {"what": title, "value": f"{whole.mean.estimate:.3f} ({whole.mean.low:.3f} to {whole.mean.high:.3f})"}
        )
        found.append({"what": "interval", "value": whole.mean.method})
    alphas = {"agreement between raters (alpha)": whole.between, "of raters with themselves (alpha)": whole.within}
    found += [{"what": name, "value": "–" if value is None else f"{value:.2f}"} for name, value in alphas.items()]
    if whole.twice:
        found.append({"what": "rated the same when shown again", "value": f"{whole.same} of {whole.twice}"})
    if whole.decided:
        found.append({"what": "the first of the two was chosen", "value": f"{whole.left} of {whole.decided}"})
    return found


def _write(setup: Setup, rated: Rateable, out: Path) -> None:
    """Every rating of the comparison, in a file."""
    from harness.store.ratings import rows_of

    rows = [row for row in rows_of(setup.store) if row["comparison"] == rated.comparison.key]
    if not rows:
        raise HarnessError(
            "nobody has rated these answers yet; nothing is written.", "harness rate A B shows the page."
        )
    if out.suffix not in (".csv", ".jsonl"):
        raise HarnessError(f"--out {out}: its ending says which form.", "Write ratings.csv or ratings.jsonl.")
    text = StringIO(newline="")
    if out.suffix == ".jsonl":
        text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        table = csv.DictWriter(text, list(rows[0]))
        table.writeheader()
        table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    _written(out, text.getvalue(), "--out")
    print(f"{len(rows):,} ratings written to {out}")


def _write_tasks(rated: Rateable, path: Path, form: str) -> None:
    """The pairs for another tool; for Label Studio the configuration of a project beside them."""
    from harness.serving.rating.elsewhere import CONFIG, FORMS, tasks

    config = path.with_suffix(".xml") if form == FORMS[0] else None
    _written(path, tasks(rated, form), "--tasks")
    if config is not None:
        _written(config, CONFIG, "--tasks")
    print(
        f"{len(rated.items):,} pairs written to {path}"
        + (f", the project's labelling setup to {config}" if config else "")
    )


def _written(path: Path, text: str, option: str) -> None:
    """Write a file, whole or not at all."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise HarnessError(f"{option} {path}: {error.strerror}.", "Name a file that can be written.") from None


def _cell(value: object) -> object:
    """A spreadsheet would take a text that begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
