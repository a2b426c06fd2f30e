"""Warehouse -> every report of a project, as a page, a pull request's comment, and text for the terminal."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.report.content import Content
from harness.report.custom import queried
from harness.report.declared import Report, with_default
from harness.report.load import load
from harness.report.markdown import write_markdown
from harness.report.page import write_html
from harness.report.terminal import print_terminal

if TYPE_CHECKING:
    import duckdb


@dataclass
class Written:
    """The written reports: the terminal's text, the files, and what was wrong with sections that have their own query."""

    text: str = ""
    paths: list[Path] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def write_reports(
    connection: duckdb.DuckDBPyConnection, run_id: str, declared: Sequence[Report], folder: Path
) -> Written:
    """Write all reports on one run below `folder`; the text is that of the first report, for this terminal."""
    at_terminal = os.isatty(1)
    width = min(120, os.get_terminal_size().columns) if at_terminal else 100
    stream = io.StringIO()
    console = Console(file=stream, width=width, no_color=not at_terminal, force_terminal=at_terminal)
    written = _write(connection, load(connection, run_id), declared, folder, console)
    written.text = stream.getvalue().rstrip()
    return written


def write_chosen(
    connection: duckdb.DuckDBPyConnection,
    declared: Sequence[Report],
    folder: Path,
    recipes: Sequence[str] | None = None,
    since: datetime | None = None,
    each_setting: bool = False,
) -> None:
    """Write all reports on the newest run, or on the runs chosen, below `folder`; print the first and the paths."""
    content = load(connection, recipes=recipes, since=since, each_setting=each_setting)
    written = _write(connection, content, declared, folder, Console())
    for problem in written.trouble:
        print(f"note: {problem}")
    for path in written.paths:
        if path.suffix == ".html":
            print(f"report: {path}")


def _write(
    connection: duckdb.DuckDBPyConnection, content: Content, declared: Sequence[Report], folder: Path, console: Console
) -> Written:
    written = Written()
    for place, report in enumerate(with_default(declared)):
        found = {section.title: queried(connection, section, content) for section in report.queries}
        written.trouble += [f"report {report.name}: {one.problem}" for one in found.values() if one.problem]
        paths = [folder / f"{report.name}.html", folder / f"{report.name}.md"]
        write_html(content, paths[0], report, found)
        write_markdown(content, paths[1], report, found)
        written.paths += paths
        if place == 0:
            print_terminal(content, console, report, found)
    return written
