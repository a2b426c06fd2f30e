"""`harness ship`: what a recipe's claims come to, and the decision as a statement that a registry can check."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared import AsJson, Baseline, DataRoot, Exact, Gpu, Made, Scale, StoreDir, opened, print_json
from harness.errors import HarnessError
from harness.files import Json, write_whole
from harness.fingerprint.values import digest, plain
from harness.gates.gate import Gate
from harness.gates.ship import Decision, Line, decision
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
    setup = opened(scale, data_root, store, Made(gpu, exact), baseline, seeds)
    claimed: dict[str, list[Gate]] = {}
    for gate in setup.gates.of_all(setup.project.named(recipe)):
        claimed.setdefault(gate.subject.id, []).append(gate)
    if not claimed:
        raise HarnessError(f"{recipe} claims nothing to decide by.", "Declare claims=[Claim(...)] in its recipe.")
    if statement is not None:
        check_statement(statement, list(claimed.values()))
    decisions = []
    for gates in claimed.values():
        could = [suite for suite in setup.project.suites.values() if suite.concerns(gates[0].subject)]
        decisions.append(decision(gates[0].subject.id, [setup.judge.judge_or_skip(gate) for gate in gates], could))
    if as_json:
        print_json([{**asdict(one), "cost": cost(setup, claimed[one.subject])} for one in decisions])
    else:
        print("\n\n".join(in_words(setup, one, claimed[one.subject]) for one in decisions))
    if statement is not None:
        [one] = decisions
        if one.outlook == "undecided":
            print("no statement is written: it would say passed or failed, and this is undecided", file=sys.stderr)
        else:
            write_whole(statement, json.dumps(stated(setup, one, claimed[one.subject]), indent=1) + "\n")
    raise typer.Exit(max((STATUS[one.outlook] for one in decisions), key=[0, UNDECIDED, 1].index))


def check_statement(path: Path, claimed: Sequence[Sequence[Gate]]) -> None:
    """HarnessError where the statement cannot be written, or there is no one trained subject for it to be about."""
    if not path.resolve().parent.is_dir():
        raise HarnessError(f"--sign {path}: there is no folder {path.resolve().parent}.", "Make it, or name another.")
    subjects = [gates[0].subject for gates in claimed]
    if len(subjects) > 1:
        raise HarnessError(f"--sign: a statement is about one of {', '.join(s.id for s in subjects)}.", "Name it.")
    if not subjects[0].stages:
        raise HarnessError(f"--sign: {subjects[0].id} trains nothing, so there are no weights to state anything about.")


def in_words(setup: Setup, one: Decision, gates: Sequence[Gate]) -> str:
    """The decision with a paragraph for each claim, under the question that it answers."""
    found = [f"{one.subject}: {one.outlook}"]
    for line in one.lines:
        found.append(f"{MARKS[line.state]} {line.words}")
        if line.state == "unclaimed":
            found.append(f"    {_unclaimed(line)}")
        found += [f"    {MARKS[verdict.verdict]} {verdict.suite}: {verdict.message}" for verdict in line.verdicts]
    return "\n".join([*found, f"cost: {cost(setup, gates)['words']}"])


def _unclaimed(line: Line) -> str:
    """That nothing is claimed, and what would change that."""
    if line.guards:
        return f"no claim is about it; --baseline NAME judges it by the guards of {', '.join(line.guards)}"
    return "no claim is about it" + (f"; it would be shown by {', '.join(line.suites)}" if line.suites else "")


def cost(setup: Setup, gates: Sequence[Gate]) -> Json:
    """What training took, over the whole lineage, in numbers and in words."""
    stages = [planned for planned in setup.keys.chain(gates[0].subject) if planned.trains]
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


def stated(setup: Setup, one: Decision, gates: Sequence[Gate]) -> Json:
    """The decision as an in-toto statement with a test result (https://in-toto.io/attestation/test-result/v0.1).

    It is about the weights of all training seeds, by SHA-256. Its configuration is what the verdicts stand on, by key:
    each checkpoint with base, data and code; each claim; each evaluation on either side, with suite, questions and scorer.
    """
    checkpoints = [setup.results.checkpoint(seed) for seed in setup.gates.seeds_of(gates[0])]
    sides = [side for gate in gates for side in (*setup.gates.own_sides(gate), *setup.gates.other_sides(gate))]
    evaluations = {
        setup.results.planned(suite, side).key: f"evaluation {suite.name} of {side.id}" for suite, side in sides
    }
    claims = [(f"claim {gate.id}: {gate.claim.sentence}", digest(plain(gate.claim))) for gate in gates]
    found = [*((f"checkpoint {one.name}", one.fingerprint) for one in checkpoints), *claims]
    found += [(name, key) for key, name in evaluations.items()]
    weights = {
        f"{one.name}/{name}": str(file["sha256"])
        for one in checkpoints
        for name, file in (one.artifact.files if one.artifact else {}).items()
        if name.endswith(".safetensors")
    }
    tests = {"passedTests": ("pass",), "warnedTests": ("inconclusive", "skipped"), "failedTests": ("fail",)}
    verdicts = [verdict for line in one.lines for verdict in line.verdicts]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha}} for name, sha in sorted(weights.items())],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED" if one.outlook == "ship" else "FAILED",
            "configuration": [{"name": name, "digest": {"sha256": key}} for name, key in found],
            **{state: [v.gate for v in verdicts if v.verdict in states] for state, states in tests.items()},
        },
    }
