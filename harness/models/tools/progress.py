"""How far the model worker is with a suite, written down for the session to show. It changes no answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.files import write_whole
from harness.worker.messages import PROGRESS

EVERY = 0.5  # seconds between two writes

# Called with the share that is done of what an engine was asked, 0 to 1, and the tokens computed since the last call.
Watch = Callable[[float, int], None]


def unwatched(share: float, tokens: int) -> None:
    """Nobody looks."""


def part_of(watch: Watch, part: int, parts: int) -> Watch:
    """What watches one of several parts of equal weight, in which the share begins at 0 again."""
    return lambda share, tokens: watch((part + share) / parts, tokens)


class SuiteProgress:
    """Counts one suite's samples and tokens in `progress.json` of the request's folder.

    A suite is answered in parts of equal weight, one for each ask, and for each dtype that a probe asks in.
    """

    def __init__(self, folder: Path, suite: str, samples: int, parts: int) -> None:
        self.path, self.suite, self.samples, self.parts = folder / PROGRESS, suite, samples, parts
        self.part, self.tokens = -1, 0
        self.started, self.written = time.monotonic(), 0.0

    def next_part(self) -> None:
        """The next ask, or dtype, begins."""
        self.part += 1
        self(0.0, 0)

    def __call__(self, share: float, tokens: int) -> None:
        """A `Watch` over the part under way."""
        self.tokens += tokens
        now = time.monotonic()
        if now - self.written < EVERY:
            return
        self.written = now
        done = int(self.samples * (self.part + share) / self.parts)
        counted = {
            "suite": self.suite,
            "done": done,
            "samples": self.samples,
            "tokens": self.tokens,
            "seconds": now - self.started,
        }
        with suppress(OSError):  # a full disk ends a measurement where answers are written, not here
            write_whole(self.path, json.dumps(counted))
