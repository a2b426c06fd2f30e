"""`harness ship`: what a recipe's claims come to, and the decision as a statement that a registry can check."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared import AsJson, Baseline, DataRoot, Exact, Gpu, Made, Scale, StoreDir, opened, print_json
from harness.errors import HarnessError
from harness.files import Json, write_whole
from harness.gates.ship import Decision
from harness.session.setup import Setup

UNDECIDED = 3
STATUS = {"ship": 0, "do not ship": 1, "undecided": UNDECIDED}
MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "○", "skipped": "–", "unclaimed": "–"}


def ship(
    recipe: Annotated[str, typer.Argument(help="a recipe, or one of its variants")],
    statement: Annotated[
        Path | None,
        typer.Option("--sign", metavar="FILE", help="write the decision as an in-toto statement, to be signed"),
    ] = None,
    baseline: Baseline = None,
    seeds: Annotated[int, typer.Option(min=1, help="training seeds to judge together")] = 1,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Ship it or not, by its own claims and guards. Exit status 0: ship; 1: do not; 3: undecided."""
    from harness.gates.ship import decision

    setup = opened(scale, data_root, store, Made(gpu, exact), baseline, seeds)
    subjects = setup.project.named(recipe)
    if statement is not None and len(subjects) > 1:
        raise HarnessError(
            f"--sign: {recipe} means {', '.join(subject.id for subject in subjects)}.", "A statement is about one."
        )
    suites = list(setup.project.suites.values())
    decisions: list[Decision] = []
    for subject in subjects:
        gates = setup.gates.of_all([subject])
        if not gates:
            raise HarnessError(
                f"{subject.id} claims nothing to decide by.", "Declare claims=[Claim(...)] in its recipe."
            )
        could = [suite for suite in suites if suite.concerns(subject)]
        decisions.append(decision(subject.id, [setup.judge.judge(gate) for gate in gates], could))
    if statement is not None:
        write_whole(statement, json.dumps(stated(setup, decisions[0]), indent=1) + "\n")
    if as_json:
        print_json([{**asdict(one), "cost": cost(setup, one.subject)} for one in decisions])
    else:
        print("\n\n".join(in_words(setup, one) for one in decisions))
    raise typer.Exit(max((STATUS[one.outlook] for one in decisions), key=[0, UNDECIDED, 1].index))


def in_words(setup: Setup, one: Decision) -> str:
    """The decision with a paragraph for each question."""
    lines = [f"{one.subject}: {one.outlook}"]
    for line in one.lines:
        lines.append(f"{MARKS[line.state]} {line.words}")
        if line.state == "unclaimed":
            shown = f"; it would be shown by {', '.join(line.suites)}" if line.suites else ""
            lines.append(f"    no claim or guard is about it{shown}")
        lines += [f"    {MARKS[verdict.verdict]} {verdict.suite}: {verdict.message}" for verdict in line.verdicts]
    return "\n".join([*lines, f"cost: {cost(setup, one.subject)['words']}"])


def cost(setup: Setup, subject: str) -> Json:
    """What training took, over the whole lineage, in numbers and in words."""
    [found] = setup.project.named(subject)
    stages = [planned for planned in setup.keys.chain(found) if planned.trains]
    made = [artifact for planned in stages if (artifact := setup.results.artifact(planned)) is not None]
    if not stages:
        return {"seconds": 0.0, "tokens": 0, "words": "nothing is trained"}
    if len(made) < len(stages):
        return {"seconds": None, "tokens": None, "words": "not known, since not all of it is stored"}
    seconds, tokens = (sum(one.record[name] or 0 for one in made) for name in ("train_seconds", "tokens"))
    return {
        "seconds": seconds,
        "tokens": tokens,
        "words": f"trained for {seconds / 60:,.1f} min on {tokens:,} tokens, its whole lineage ({made[-1].record['device']})",
    }


def stated(setup: Setup, one: Decision) -> Json:
    """The decision as an in-toto statement with a test result (https://in-toto.io/attestation/test-result/v0.1).

    Its subjects are the checkpoint's files by SHA-256, or its key where a model is measured as it is; its configuration is what the verdicts stand on, by key: the
    checkpoint with base, data and code, and each evaluation with suite, questions and scorer.
    """
    [subject] = setup.project.named(one.subject)
    checkpoint = setup.results.checkpoint(subject)
    weights = setup.results.artifact(checkpoint.planned.weights)  # of what looks things up, those that it asks
    files = {"checkpoint": checkpoint.fingerprint}
    if weights is not None:
        files = {name: str(file["sha256"]) for name, file in weights.files.items()}
    judged = [verdict for line in one.lines for verdict in line.verdicts]
    suites = dict.fromkeys(name for verdict in judged for name in verdict.suite.split(" and "))
    keys = {name: setup.results.planned(setup.project.suite(name), subject).key for name in suites}
    ids = {state: [v.gate for v in judged if v.verdict in states] for state, states in _TESTS.items()}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"{one.subject}/{name}", "digest": {"sha256": sha}} for name, sha in sorted(files.items())
        ],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": {"ship": "PASSED", "do not ship": "FAILED", "undecided": "WARNED"}[one.outlook],
            "configuration": [
                {"name": f"checkpoint {one.subject}", "digest": {"sha256": checkpoint.fingerprint}},
                *({"name": f"evaluation {name}", "digest": {"sha256": key}} for name, key in keys.items()),
            ],
            **ids,
        },
    }


_TESTS = {"passedTests": ("pass",), "warnedTests": ("inconclusive", "skipped"), "failedTests": ("fail",)}
