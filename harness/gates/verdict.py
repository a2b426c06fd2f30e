"""A judged gate as a plain value: what tests assert on, reports show and the table `gates` holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from harness.files import Json
from harness.gates.evidence import Loud

Outcome = Literal["pass", "fail", "inconclusive", "skipped"]
PROPERTIES = (
    "suite", "metric", "candidate", "baseline", "estimate", "low", "high", "p_value", "p_adjusted", "n", "verdict",
)  # fmt: skip


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
    line: str | None = None  # the question of `harness ship` that it answers
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
    loudest: tuple[Loud, ...] = ()
    message: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"

    @property
    def properties(self) -> list[tuple[str, str]]:
        """Name and value of what a JUnit file holds of it."""
        return [(name, str(value)) for name in PROPERTIES if (value := getattr(self, name)) is not None]

    def row(self, run_id: str) -> Json:
        """The row of the table `gates`."""
        return {"run_id": run_id, **asdict(self), "loudest": json.dumps([asdict(loud) for loud in self.loudest])}
