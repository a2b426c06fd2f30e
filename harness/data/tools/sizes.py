"""Texts -> their sizes: in characters, or in tokens, which a worker process with the tokenizer counts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from harness.environment import child_environment
from harness.errors import DataError

T = TypeVar("T")
Sizes = Callable[[list[str]], list[int]]
BATCH = 256  # texts sent to the worker at once


def characters(texts: list[str]) -> list[int]:
    """The length of each text."""
    return [len(text) for text in texts]


@contextmanager
def tokens(name: str | None) -> Iterator[Sizes | None]:
    """A function from texts to their numbers of tokens, without special tokens; None if `name` is None.

    `name` is a folder or an id on the Hugging Face hub. Raises DataError if no tokenizer can be loaded from it.
    """
    if name is None:
        yield None
        return
    with subprocess.Popen(
        [sys.executable, "-m", "harness.models.tools.token_counts", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        env=child_environment(),
    ) as worker:  # fmt: skip
        try:
            assert worker.stdout is not None
            answer = worker.stdout.readline()
            problem = json.loads(answer) if answer else "its process ended without an answer"
            if problem:
                remedy = (
                    "Name a folder with a tokenizer, or a hub id; transformers must be installed: the extra `train`."
                )
                raise DataError(f"--tokenizer {name} cannot be loaded: {problem}", remedy)
            yield lambda texts: _asked(worker, texts)
        finally:
            worker.kill()


def _asked(worker: subprocess.Popen[str], texts: list[str]) -> list[int]:
    """The texts' token counts, from the worker: a line of JSON to it, a line back."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(texts) + "\n")
    worker.stdin.flush()
    return [int(count) for count in json.loads(worker.stdout.readline())]


def sized(rows: Iterable[tuple[T, str]], sizes: Sizes) -> Iterator[tuple[T, str, int]]:
    """(row, text, size of the text) for each (row, text)."""
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        for (row, text), size in zip(batch, sizes([text for _, text in batch]), strict=True):
            yield row, text, size
