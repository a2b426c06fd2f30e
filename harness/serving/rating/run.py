"""From stored answers to the page: which pairs are shown, and the server until Ctrl-C."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.evaluation import Evaluation
from harness.evaluation.evaluation import ScoredSample
from harness.files import cache_folder
from harness.serving.rating.desk import Desk
from harness.serving.rating.showings import Item
from harness.serving.serve import check_installed, check_port
from harness.store import Store
from harness.store.ratings import Comparison

HOST = "127.0.0.1"
NEEDED = ("starlette", "uvicorn", "krippendorff")


@dataclass(frozen=True)
class Rateable:
    """What can be rated of a comparison."""

    comparison: Comparison
    items: Sequence[Item]
    clusters: Mapping[str, str]  # sample -> its group, where it has one
    equal: int = 0  # pairs left out since both answers are the same


def rateable(measured: Mapping[str, Evaluation], points: int | None, n: int) -> Rateable:
    """The first `n` prompts that all have answered, in an order that depends on their names alone.

    `measured` has the evaluation of each subject by its id; in which order they are named makes no other comparison.
    Raises HarnessError where there are none.
    """
    subjects = sorted(measured)
    evaluations = [measured[name] for name in subjects]
    suite = evaluations[0].suite
    sides = [_answered(one) for one in evaluations]
    shared = [sample for sample in sides[0] if all(sample in side for side in sides[1:])]
    if not shared:
        raise HarnessError(
            f"{suite} has no answers in words that {' and '.join(subjects)} both gave.",
            "Name a suite that asks for completions: --suite tone.",
        )
    texts = {sample: tuple(str(side[sample].completion) for side in sides) for sample in shared}
    differ = [sample for sample in shared if len(sides) == 1 or len(set(map(str.strip, texts[sample]))) > 1]
    if not differ:
        raise HarnessError(
            f"{suite}: all {len(shared)} answers of {' and '.join(subjects)} are the same; nobody can prefer one."
        )
    drawn = sorted(differ, key=lambda sample: hashlib.sha256(f"{suite} {sample}".encode()).hexdigest())[:n]
    comparison = Comparison(suite, tuple(subjects), tuple(str(one.spec["answers"]) for one in evaluations), points)
    items = [Item(sample, sides[0][sample].prompt or "", texts[sample]) for sample in drawn]
    clusters = {sample: str(one.cluster) for sample, one in sides[0].items() if one.cluster is not None}
    return Rateable(comparison, items, clusters, len(shared) - len(differ))


def serve(store: Store, rated: Rateable, port: int, say: Callable[[str], None] = print) -> None:
    """Serve the page until it is ended; everything is kept as it is said. `say` tells its address.

    Raises HarnessError for a port in use, without the libraries, and where another process serves the same comparison.
    """
    check_installed("rate", "harness rate", *NEEDED)
    check_port(HOST, port)
    import uvicorn

    from harness.serving.rating.app import app

    token = _token(rated.comparison, port)
    desk = Desk(store, rated.comparison, rated.items)

    def elsewhere(holder: str) -> None:
        raise HarnessError(f"these answers are being rated by {holder} already.", "Use the address that it shows.")

    with (
        store.lock(f"rate-{rated.comparison.key}", "harness rate", elsewhere),
        socket.create_server((HOST, port)) as listening,
    ):
        say(f"http://{HOST}:{port}/?token={token}\nOpen it in a browser, one for each rater; Ctrl-C ends it.")
        sys.stdout.flush()
        config = uvicorn.Config(
            app(desk, token, port), log_level="warning", timeout_graceful_shutdown=2, server_header=False
        )
        for end in (signal.SIGTERM, signal.SIGHUP):  # uvicorn ends by them, and gives them on: as Ctrl-C does
            signal.signal(end, signal.default_int_handler)
        with suppress(KeyboardInterrupt):  # the way to end it
            uvicorn.Server(config).run(sockets=[listening])
        unsent = desk.share()
        if unsent is not None:
            print(f"note: all is kept on this machine, and not in the store: {unsent.message}", file=sys.stderr)


def _token(comparison: Comparison, port: int) -> str:
    """What opens the page: the same when it is served again, so that pages that are open go on. Only its user can read it."""
    file = cache_folder() / "rate" / f"{comparison.key}-{port}.token"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError), os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
        new.write(secrets.token_urlsafe(32))
    return file.read_text() or secrets.token_urlsafe(32)  # empty where a kill came between


def _answered(evaluation: Evaluation) -> dict[str, ScoredSample]:
    return {one.sample_id: one for one in evaluation.samples if one.completion is not None and one.prompt}
