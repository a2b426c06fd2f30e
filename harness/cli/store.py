"""`harness store`: what is stored, whether it is undamaged, and what no recipe leads to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, StoreDir, opened, opened_store, print_json, show
from harness.errors import DataError, StoreError
from harness.files import Json, short
from harness.fingerprint.checkpoints import outdated
from harness.fingerprint.evaluations import weights_behind
from harness.jobs.status import interrupted
from harness.session.setup import Setup
from harness.store import KINDS, Artifact, Store
from harness.store.baselines import blessed_by_anyone
from harness.store.ratings import answers_rated
from harness.store.sessions import used_by_others

store_app = typer.Typer(no_args_is_help=True, help="Checkpoints, answers and evaluations, by content.")


@store_app.command("ls")
def store_ls(store: StoreDir = None, as_json: AsJson = False) -> None:
    """All checkpoints, answers and evaluations, oldest first."""
    rows = [
        {
            "kind": artifact.kind[:-1] if artifact.kind != "answers" else "answers",
            "key": artifact.key,
            "what": _what(artifact),
            "of": short(artifact.spec.get("checkpoint") or artifact.spec.get("base", {}).get("checkpoint") or ""),
            "bytes": artifact.bytes,
            "created_at": artifact.created_at,
        }
        for artifact in _all(opened_store(store))
    ]
    columns = {"kind": "kind", "key": "key", "what": "what", "of": "of", "bytes": "bytes", "created_at": "created"}
    show(rows, columns, as_json, {"key": short})


def _all(store: Store) -> Iterator[Artifact]:
    for kind in KINDS:
        yield from store.all(kind)


def _what(artifact: Artifact) -> str:
    """A checkpoint's stage, an evaluation's suite, or the asks of answers."""
    spec = artifact.spec
    if artifact.kind == "checkpoints":
        return str(spec["stage"])
    if artifact.kind == "evaluations":
        return str(spec["suite"]["name"])
    return ", ".join(ask["is"] for ask in spec["questions"]["asks"])


@store_app.command("verify")
def store_verify(store: StoreDir = None, as_json: AsJson = False) -> None:
    """Read every byte again and compare it with the manifests. Exit status 1 where one differs."""
    there = opened_store(store)
    found = [
        {"kind": kind[:-1] if kind != "answers" else kind, "key": key, "problem": there.verify(kind, key)}
        for kind in KINDS
        for key in there.keys(kind)
    ]
    damaged = [row for row in found if row["problem"]]
    if as_json:
        print_json(found)
    else:
        for row in damaged:
            print(f"{row['kind']} {short(str(row['key']))}: {row['problem']}")
        print(f"{len(found)} artifacts, {len(damaged)} damaged")
    raise typer.Exit(1 if damaged else 0)


@store_app.command("prune")
def store_prune(
    damaged: Annotated[
        str | None, typer.Option(help="remove this damaged artifact (first characters of its key)")
    ] = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove; without it, only list")] = False,
) -> None:
    """Remove a damaged artifact, or all that no recipe leads to any more, at any scale and with any seed."""
    if damaged is not None:
        return _remove_damaged(opened_store(store), damaged)
    setup = opened("mini", data_root, store)
    stale = _stale(setup)
    count = len(stale.artifacts) + len(stale.begun)
    for line in stale.lines if not yes else ():
        print(f"would remove {line}")
    if "://" in setup.store.where and not yes and count and sys.stdin.isatty():
        yes = typer.confirm(f"Remove {count} artifacts from {setup.store.where}, which other machines may use?")
    if yes:
        setup.store.discard((artifact.key for artifact in stale.artifacts), unfinished=True)
        for key in stale.begun:
            setup.store.abandon("checkpoints", key)
        print("".join(f"removed {line}\n" for line in stale.lines), end="")
    print(f"{count} artifacts that no recipe leads to" + ("" if yes or not count else "; --yes removes them"))
    if stale.unknown:
        raise stale.unknown


def _led_to(keys: set[str], specs: dict[str, Json]) -> set[str]:
    """These checkpoints of a store, with those that they were made from."""
    found, left = set[str](), keys & specs.keys()
    while left:
        found |= left
        left = {key for one in left if (key := specs[one]["base"].get("checkpoint")) is not None} & specs.keys()
    return found


def _remove_damaged(store: Store, beginning: str) -> None:
    matching = [(kind, key) for kind in KINDS for key in store.keys(kind) if key.startswith(beginning)]
    if len(matching) != 1:
        raise StoreError(
            f"{len(matching)} artifacts start with {beginning!r}.", "Give more of the key: harness store ls."
        )
    kind, key = matching[0]
    name = f"{'set of answers' if kind == 'answers' else kind[:-1]} {short(key)}"
    if store.verify(kind, key) is None:
        raise StoreError(f"{name} is not damaged.", "Use --retrain or --reevaluate to make it anew.")
    store.discard([key])
    print(f"removed {name}")


@dataclass(frozen=True)
class _Stale:
    """What no recipe leads to."""

    artifacts: list[Artifact]
    begun: dict[str, str]  # interrupted trainings: fingerprint -> name
    unknown: DataError | None  # where a scale's data is missing: then only other code's artifacts are known to be stale

    @property
    def lines(self) -> list[str]:
        """What there is of it, for people."""
        artifacts = [f"{artifact.name} ({artifact.bytes:,} bytes)" for artifact in self.artifacts]
        return [*artifacts, *(f"interrupted training {short(key)} ({name})" for key, name in self.begun.items())]


def _stale(setup: Setup) -> _Stale:
    checkpoints, begun = list(setup.store.all("checkpoints")), interrupted(setup.store)
    specs = {artifact.key: artifact.spec for artifact in checkpoints}
    unused, problem = outdated(specs, setup.keys.code), None
    led_to: set[str] | None = None  # None where it is not known
    unused |= {key for key, task in begun.items() if task is None}
    try:
        seeds = {int(spec.get("seed", 0)) for spec in specs.values()} | {task.seed for task in begun.values() if task}
        led_to = setup.keys.of_all(setup.project.everything(), {0, *seeds})
        unused |= (specs.keys() | begun.keys()) - led_to
    except DataError as error:
        note = "The other checkpoints stay: whether a recipe leads to them is not known without that data."
        problem = DataError(error.problem, f"{error.remedy}\n    {note}" if error.remedy else note)
    theirs = {a.key for a in checkpoints if a.record.get("project") not in (None, setup.store.project)}
    others = used_by_others(setup.store)
    unused -= _led_to(theirs | others, specs)

    def unwanted(spec: Json) -> bool:
        """Whether nothing leads to the weights that answered, or to how they looked things up."""
        looks_up = "weights" in spec and led_to is not None and spec["checkpoint"] not in led_to | others
        return weights_behind(spec) in unused or looks_up

    own = {key: task for key, task in begun.items() if task is None or task.project in (None, setup.store.project)}
    blessed, rated = blessed_by_anyone(setup.store), answers_rated(setup.store)
    stale = [artifact for artifact in checkpoints if artifact.key in unused]
    for kind in ("answers", "evaluations"):
        stale += [
            artifact
            for artifact in setup.store.all(kind)  # type: ignore[arg-type]
            if unwanted(artifact.spec) and not {artifact.key, artifact.spec.get("answers")} & (blessed | rated)
        ]
    names = {key: task.name if task else "of another version" for key, task in own.items() if key in unused}
    return _Stale(stale, names, problem)
