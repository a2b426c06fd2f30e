"""The last lines of a session in the terminal: verdicts missing in the table, notes, what --adaptive saved, paths."""

from __future__ import annotations

from collections.abc import Iterator

from harness.session.record import Record

PLAIN = str.maketrans({"✓": "+", "✕": "x", "○": "o", "–": "-", "−": "-", "…": "...", "’": "'", "·": "-", "↑": "^"})


def spelled(text: str, encoding: str) -> str:
    """The text in the signs that a terminal's encoding has. Pytest writes escapes for others, and for every line end."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


def closing(record: Record) -> Iterator[str]:
    """The lines after the table."""
    for verdict in record.verdicts.values():
        if verdict.verdict == "skipped" and verdict.gate not in record.text:
            yield f"skipped: {verdict.gate}: {verdict.message}"
    for note in [*record.run.log.notes, *record.trouble]:
        yield f"note: {note}"
    stopped = record.run.log.stopped_early
    if stopped:
        spared, available = sum(one.spared for one in stopped), sum(one.available for one in stopped)
        each = ", ".join(f"{one.name} after {one.available - one.spared:,} of {one.available:,}" for one in stopped)
        yield f"--adaptive spared {spared:,} of {available:,} samples ({spared / available:.0%}): {each}"
    for path in record.paths:
        yield f"report: {path}"
