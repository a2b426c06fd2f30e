"""What a GitHub workflow shows of a session: one annotation per claim that does not hold, and the report's Markdown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.gates.verdict import Verdict
from harness.session.record import Record

MOST_SUMMARY = 1_000_000  # bytes of a step's summary: GitHub drops a step's whole summary beyond 1 MiB
LEVELS = {"fail": "error", "inconclusive": "warning"}


def show(record: Record, write_line: Callable[[str], None]) -> None:
    """Annotations and a summary, where GitHub runs the session; nothing elsewhere."""
    setup = record.run.setup
    if os.environ.get("GITHUB_ACTIONS"):
        places = {s.id: Path("recipes") / f"{s.recipe.name}.py" for s in record.subjects.values()}
        files = {subject: str(place) for subject, place in places.items() if (setup.root / place).exists()}
        for line in annotated(record.verdicts.values(), files, setup.options.strict_gates):
            write_line(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    written = [path for path in record.paths if path.suffix == ".md" and path.exists()]
    if summary and written:
        add_to_summary(Path(summary), written[0])


def annotated(verdicts: Iterable[Verdict], recipes: Mapping[str, str], strict: bool = False) -> list[str]:
    """Workflow commands, one line each, where GitHub runs the session; `recipes` are files by subject."""
    lines = []
    for judged in verdicts:
        level = LEVELS.get(judged.verdict)
        if level is None:
            continue
        if strict:
            level = "error"
        file = recipes.get(judged.subject)
        place = f"file={_property(file)}," if file else ""
        lines.append(f"::{level} {place}title={_property(judged.gate)}::{_data(judged.message)}")
    return lines


def add_to_summary(summary: Path, markdown: Path) -> None:
    """Append the report to the step's summary. Beyond GitHub's limit it is cut at a line, with a note that says so."""
    text = markdown.read_text(encoding="utf-8").encode()
    room = MOST_SUMMARY - (summary.stat().st_size if summary.exists() else 0)
    if len(text) > room:
        note = b"\n\n*Shortened: the whole report is in the artifact.*\n"
        text = text[: max(0, room - len(note))].rpartition(b"\n")[0] + note
    with summary.open("ab") as file:
        file.write(text + b"\n")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
