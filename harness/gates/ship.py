"""Ship a fine-tune or not: its own claims and guards, sorted under the questions that a team asks.

Nothing is judged anew, and there are no other thresholds than those declared. A suite says which question its scores
answer (`Suite.shows`); what no claim or guard is about is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.claims import QUESTIONS, Target, outlook, worst
from harness.gates.gate import Gate
from harness.gates.verdict import Verdict
from harness.project import REFERENCES
from harness.suite import Suite


@dataclass(frozen=True)
class Line:
    """One question, with the verdicts that answer it."""

    name: str
    words: str
    state: str  # the worst of its verdicts; "unclaimed" where there are none
    verdicts: tuple[Verdict, ...]
    suites: tuple[str, ...]  # of the project, that would show it
    guards: tuple[str, ...]  # of those, the ones that guard a metric which shows it; judged against a baseline


@dataclass(frozen=True)
class Decision:
    """What the verdicts on one subject come to."""

    subject: str
    outlook: str  # "ship", "do not ship" or "undecided"
    lines: tuple[Line, ...]


def line_of(gate: Gate, suites: Mapping[str, Suite]) -> str:
    """The question that a gate answers.

    It is what the suite's scores show. Where they show what was learnt or kept and the gate compares with another recipe
    or with a floor, it is whether the subject is better than those; and to be better than fresh weights is to have
    learnt. A suite that the project does not have, such as a task of lm-eval, shows what was learnt. What people prefer is better.
    """
    if gate.is_rating:
        return "better"
    suite = suites.get(gate.claim.suite)
    shown = "learnt" if suite is None else suite.shown_by(gate.claim.metric)
    if shown not in ("learnt", "kept"):
        return shown
    floors = isinstance(gate.claim, Target) and bool(gate.claim.above)
    if floors or any(name not in REFERENCES for name in gate.references):
        return "better"
    return "learnt" if "untrained" in gate.references else shown


def decision(subject: str, verdicts: Sequence[Verdict], suites: Sequence[Suite]) -> Decision:
    """Ship where all claims hold; do not where one fails; undecided where one cannot be decided or is not measured.

    `suites` are those that could measure the subject.
    """
    lines = tuple(_line(name, [one for one in verdicts if one.line == name], suites) for name in QUESTIONS)
    return Decision(subject, outlook([one.verdict for one in verdicts]), lines)


def _line(name: str, verdicts: Sequence[Verdict], suites: Sequence[Suite]) -> Line:
    shows = tuple(suite.name for suite in suites if name in suite.shown)
    guards = (suite.name for suite in suites for guard in suite.guards if suite.shown_by(guard.metric) == name)
    state = worst([one.verdict for one in verdicts])
    return Line(name, QUESTIONS[name], state, tuple(verdicts), shows, tuple(dict.fromkeys(guards)))
