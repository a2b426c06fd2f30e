"""Ship a fine-tune or not: its own claims and guards, sorted under the questions that a team asks.

Nothing is judged anew, and there are no other thresholds than those declared. A suite says which question its scores
answer (`Suite.shows`); what no claim or guard is about is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.claims import QUESTIONS, Target
from harness.gates.gate import Gate
from harness.gates.verdict import Outcome, Verdict
from harness.project import REFERENCES
from harness.suite import Suite

Outlook = Literal["ship", "do not ship", "undecided"]
WORST_FIRST: tuple[Outcome, ...] = ("fail", "inconclusive", "skipped", "pass")


@dataclass(frozen=True)
class Line:
    """One question, with the verdicts that answer it."""

    name: str
    words: str
    state: Outcome | Literal["unclaimed"]  # the worst of its verdicts; unclaimed where there are none
    verdicts: tuple[Verdict, ...]
    suites: tuple[str, ...]  # of the project, that would show it


@dataclass(frozen=True)
class Decision:
    """What the verdicts on one subject come to."""

    subject: str
    outlook: Outlook
    lines: tuple[Line, ...]


def line_of(gate: Gate, suites: Mapping[str, Suite]) -> str | None:
    """The question that a gate answers; None where the project does not have its suite.

    That the suite's scores show it, unless they show what was learnt and the gate compares with another recipe or with
    a floor: then it is whether the subject is better than those.
    """
    suite = suites.get(gate.claim.suite)
    if suite is None:
        return None
    shown = suite.shown_by(gate.claim.metric)
    rival = any(name not in REFERENCES for name in gate.references)
    floors = isinstance(gate.claim, Target) and bool(gate.claim.above)
    return "better" if shown == "learnt" and (rival or floors) else shown


def decision(subject: str, verdicts: Sequence[Verdict], suites: Iterable[Suite]) -> Decision:
    """Ship where all claims hold; do not where one fails; undecided where one cannot be decided or is not measured."""
    lines = tuple(_line(name, [one for one in verdicts if one.line == name], suites) for name in QUESTIONS)
    states = {one.verdict for one in verdicts}
    outlook: Outlook = "do not ship" if "fail" in states else "ship" if states == {"pass"} else "undecided"
    return Decision(subject, outlook, lines)


def _line(name: str, verdicts: Sequence[Verdict], suites: Iterable[Suite]) -> Line:
    states = {one.verdict for one in verdicts}
    worst: list[Outcome | Literal["unclaimed"]] = [outcome for outcome in WORST_FIRST if outcome in states]
    state = [*worst, "unclaimed"][0]
    shows = tuple(suite.name for suite in suites if name in suite.shown)
    return Line(name, QUESTIONS[name], state, tuple(verdicts), shows)
