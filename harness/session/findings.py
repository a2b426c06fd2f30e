"""What is stored of one checkpoint, for its model card: scores, and what its claims come to."""

from __future__ import annotations

from collections.abc import Callable

from harness.data.sources import Hub, Mix, Rows
from harness.errors import EvaluationMissing
from harness.evaluation.findings import Findings, Score
from harness.gates.judge import command
from harness.gates.ship import decision
from harness.recipe import Subject
from harness.session.setup import Setup
from harness.suite import Suite


def found_of(setup: Setup, subject: Subject, note: Callable[[str], None]) -> Findings:
    """The subject's stored scores and verdicts; EvaluationMissing where no suite has measured it."""
    scores: list[Score] = []
    for suite in setup.with_data([subject], note):
        evaluation = setup.results.evaluation(suite, subject) if suite.concerns(subject) else None
        if evaluation is not None and evaluation.spared:
            note(f"{suite.name} is left out: --adaptive stopped it before all samples were asked")
            continue
        for name, metric in evaluation.metrics.items() if evaluation is not None else ():
            if metric["estimate"] is not None:
                interval = (metric.get(part) for part in ("low", "high", "n"))
                scores.append(Score(suite.name, _data(suite, subject), name, metric["estimate"], *interval))
    if not scores:
        raise EvaluationMissing(
            f"{subject.id} is measured by no suite.", f"Run: {command(subject, typed=setup.options.typed)}"
        )
    verdicts = [setup.judge.judge_or_skip(gate) for gate in setup.gates.of_all([subject])]
    outlook = decision(subject.id, verdicts, []).outlook if verdicts else ""
    return Findings(tuple(scores), outlook, tuple((one.verdict, one.message or one.claim) for one in verdicts))


def _data(suite: Suite, subject: Subject) -> str:
    """The hub ids of the suite's rows, or else its datasets' names."""
    wanted = suite.dataset
    parts = wanted.every_part if isinstance(wanted, Mix) else [] if wanted is None else [wanted]
    sets = [part.dataset if isinstance(part, Rows) else part for part in parts]
    sources = [(one.name, one.source(subject.scale)) for one in sets]
    return ", ".join(dict.fromkeys(of.id if isinstance(of, Hub) else name for name, of in sources)) or suite.name
