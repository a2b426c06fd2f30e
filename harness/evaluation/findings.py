"""What was found of one checkpoint, as plain values for people: its scores, and what its claims came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """One metric of one suite."""

    suite: str
    data: str  # the dataset's name, or its id on the hub
    metric: str
    value: float
    low: float | None  # interval, 95 %
    high: float | None
    n: int | None  # samples


@dataclass(frozen=True)
class Findings:
    """All that is stored of a checkpoint."""

    scores: tuple[Score, ...]
    outlook: str  # ship, do not ship or undecided; empty where nothing is claimed
    claims: tuple[tuple[str, str], ...]  # verdict, and the paragraph that says why
