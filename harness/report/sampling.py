"""Which samples a report loads: all if they are few, otherwise a random draw, with the same ids for every subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.report.content import Sample, Text
from harness.report.query import parsed, rows

if TYPE_CHECKING:
    import duckdb

LONGEST_TEXT = 2_000  # characters of one prompt, target or answer
MOST_ROWS = 24_000  # of all suites and subjects together


def draw(
    connection: duckdb.DuckDBPyConnection, suites: dict[str, str], pointed_at: Sequence[str]
) -> dict[str, tuple[Sample, ...]]:
    """Evaluation -> its samples in the suite's order; `suites` is evaluation -> suite.

    Sample ids `pointed_at` are drawn before all others.
    """
    keys = sorted(suites)
    named: dict[str, Any] = {"evaluations": keys, "suites": [suites[key] for key in keys]}
    counts = {row["suite"]: (row["ids"], row["rows"]) for row in rows(connection, "sample_counts", **named)}
    limits = most_ids(counts, MOST_ROWS)
    named |= {"most": [limits.get(suites[key], 0) for key in keys], "pointed_at": list(pointed_at)}
    found: dict[str, list[Sample]] = {}
    for row in rows(connection, "samples", characters=LONGEST_TEXT, **named):
        found.setdefault(row["evaluation"], []).append(_sample(row))
    return {key: tuple(samples) for key, samples in found.items()}


def most_ids(counts: dict[str, tuple[int, int]], most_rows: int) -> dict[str, int]:
    """Suite -> sample ids to draw, from suite -> (ids, rows), so that no more than most_rows are loaded.

    Small suites are kept whole; what they do not use of an equal share goes to the larger ones.
    """
    limits: dict[str, int] = {}
    left = most_rows
    smallest_first = sorted(counts, key=lambda suite: counts[suite][1])
    for place, suite in enumerate(smallest_first):
        ids, held = counts[suite]
        share = left // (len(smallest_first) - place)
        limits[suite] = ids if held <= share else max(1, ids * share // held)
        left -= min(held, share)
    return limits


def _sample(row: dict) -> Sample:
    def text(name: str) -> Text | None:
        return None if row[name] is None else Text(row[name], row[f"{name}_characters"])

    return Sample(
        sample_id=row["sample_id"],
        draw=row["draw"],
        prompt=text("prompt"),
        target=text("target"),
        completion=text("completion"),
        scores={name: score for name, score in parsed(row["scores"], {}).items() if _is_number(score)},
    )


def _is_number(score: Any) -> bool:
    return score is None or isinstance(score, int | float)
