"""What became of a gate: the plain value that tests assert on, reports show and the table `gates` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["pass", "fail", "inconclusive", "skipped"]


@dataclass(frozen=True)
class Verdict:
    """A judged gate: what a row of the table `gates` holds."""

    gate: str
    subject: str
    reference: str | None
    suite: str
    metric: str
    kind: str
    claim: str
    verdict: Outcome
    candidate: float | None = None
    baseline: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None  # what the estimate is judged against: 0, or a margin on one side of it
    level: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    family: int | None = None
    n: int | None = None
    samples_needed: int | None = None
    method: str | None = None
    loudest: tuple[dict[str, Any], ...] = ()
    message: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"

    @property
    def properties(self) -> list[tuple[str, str]]:
        """Name and value of what a JUnit file tells of it."""
        names = (
            "suite", "metric", "candidate", "baseline", "estimate", "low", "high", "p_value", "p_adjusted", "n", "verdict",
        )  # fmt: skip
        return [(name, str(value)) for name in names if (value := getattr(self, name)) is not None]
